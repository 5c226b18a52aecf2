"""Numbers in expressions: exact, and checked where a machine's numbers would wrap around or round."""

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.expression_values import Failed, Problem, Value, by_rows, failing, truths, without

_NARROW: Final = 38
_WIDEST: Final = 76
"""Digits of Arrow's decimals; intermediate results are exact in the wider one."""
_EXACT: Final = decimal.Context(prec=200, traps=[decimal.InvalidOperation])
_BOUNDS: Final = (-(2**63), 2**63 - 1)
_HALF_AWAY: Final = "half_towards_infinity"
_ZERO: Final = ("division_by_zero", "is divided by zero")
_OVERFLOW: Final = ("overflow", "is too large for its type")
_CHECKED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": pc.add_checked,
    "-": pc.subtract_checked,
    "*": pc.multiply_checked,
}
_BY_ROWS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}


def arithmetic(node: Typed, arrays: list[Any]) -> Value:
    """+ - * / % of two columns of one family."""
    assert node.type is not None  # numbers have a type
    left, right = arrays
    if node.kind == "float64":
        return _floats(node.op, left, right)
    if node.op in {"/", "%"}:
        zero = truths(pc.equal(right, pa.scalar(0, right.type)), unknown=False)
        divided = _divided(node, left, without(right, zero))
        if not zero.any():
            return divided
        zero &= left.is_valid().to_numpy(zero_copy_only=False)
        return Value(divided.array, (*divided.problems, Problem(zero, *_ZERO)))
    if node.kind == "decimal":
        return _decimals(node, left, right)
    try:
        return Value(_CHECKED[node.op](left, right))
    except pa.ArrowInvalid:
        compute = _BY_ROWS[node.op]
        return by_rows(lambda one, other: _int64(compute(one, other)), arrays, pa.int64())


def _int64(value: int) -> int:
    if not _BOUNDS[0] <= value <= _BOUNDS[1]:
        raise Failed(*_OVERFLOW)
    return value


def _divided(node: Typed, left: Any, right: Any) -> Value:
    assert node.type is not None  # as above
    if node.op == "%":
        return _remainder(node.type, left, right)
    return _quotient(node.type, left, right)


def _decimals(node: Typed, left: Any, right: Any) -> Value:
    assert node.type is not None  # as above
    one, other = left.type, right.type
    scale = max(one.scale, other.scale)
    digits = max(one.precision - one.scale, other.precision - other.scale) + scale + 1
    if node.op == "*":
        digits = one.precision + other.precision + 1
    if digits <= _NARROW:
        return Value(pc.cast(_CHECKED[node.op](left, right), arrow_type(node.type)))
    if digits <= _WIDEST:
        return narrowed(_CHECKED[node.op](_wide(left), _wide(right)), node.type)
    operation = {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply}[node.op]
    return _decimals_by_rows(operation, left, right, node.type)


def _decimals_by_rows(compute: Callable[..., Decimal], left: Any, right: Any, kind: ColumnType) -> Value:
    scale = Decimal(1).scaleb(-(kind.scale or 0))
    limit = Decimal(10) ** ((kind.precision or 0) - (kind.scale or 0))

    def fitted(one: Decimal, other: Decimal) -> Decimal:
        value = compute(one, other).quantize(scale, decimal.ROUND_HALF_UP, context=_EXACT)
        if abs(value) >= limit:
            raise Failed(*_OVERFLOW)
        return value

    return by_rows(fitted, [left, right], arrow_type(kind))


def _type(precision: int, scale: int) -> Any:
    """The narrower of Arrow's decimals: several times as fast where it will do."""
    return (pa.decimal128 if precision <= _NARROW else pa.decimal256)(precision, scale)


def _wide(array: Any) -> Any:
    return pc.cast(array, pa.decimal256(array.type.precision, array.type.scale))


def narrowed(array: Any, kind: ColumnType) -> Value:
    """Wide decimals as a column's type; the scale must suffice, values beyond the precision fail."""
    whole = (kind.precision or 0) - (kind.scale or 0)
    if array.type.precision - array.type.scale > whole:
        array = _wide(array)
        limit = pa.scalar(Decimal(10) ** whole, pa.decimal256(whole + 1, 0))
        over = pc.greater_equal(
            pc.abs(array), pc.cast(limit, pa.decimal256(whole + 1 + array.type.scale, array.type.scale))
        )
        rows = truths(over, unknown=False)
        return Value(
            pc.cast(without(array, rows), arrow_type(kind)),
            (Problem(rows, *_OVERFLOW),) if rows.any() else (),
        )
    return Value(pc.cast(array, arrow_type(kind)))


def _quotient(kind: ColumnType, left: Any, right: Any) -> Value:
    """Arrow cuts the quotient off: one digit more than wanted is enough to round it half away from zero."""
    scale = kind.scale or 0
    more = max(0, scale + right.type.scale - right.type.precision - left.type.scale)
    digits = left.type.precision + more + right.type.precision + 1
    if digits > _WIDEST:
        return _decimals_by_rows(_EXACT.divide, left, right, kind)
    wide = pa.decimal128 if digits < _NARROW else pa.decimal256
    dividend = pc.cast(left, wide(left.type.precision + more, left.type.scale + more))
    cut = pc.divide(dividend, pc.cast(right, wide(right.type.precision, right.type.scale)))
    rounded = pc.round(_roomier(cut), ndigits=scale, round_mode=_HALF_AWAY)
    whole = rounded.type.precision - rounded.type.scale
    return narrowed(pc.cast(rounded, _type(whole + scale, scale)), kind)


def _roomier(array: Any) -> Any:
    """One digit more before the point, for what rounding carries."""
    kind = array.type
    return pc.cast(array, _type(min(kind.precision + 1, _WIDEST), kind.scale))


def _remainder(kind: ColumnType, left: Any, right: Any) -> Value:
    if kind.kind == "decimal":
        return _decimals_by_rows(_EXACT.remainder, left, right, kind)
    right = pc.if_else(pc.equal(right, -1), pa.scalar(1, right.type), right)  # the smallest by -1 overflows
    return Value(pc.subtract(left, pc.multiply(pc.divide(left, right), right)))


def _floats(sign: str, left: Any, right: Any) -> Value:
    if sign not in {"/", "%"}:
        return _finite(_CHECKED[sign](left, right))
    zero = truths(pc.equal(right, 0.0), unknown=False)
    right = without(right, zero)
    found = _finite(pc.divide(left, right)) if sign == "/" else _by_numpy(np.fmod, [left, right])
    zero &= left.is_valid().to_numpy(zero_copy_only=False)
    return Value(found.array, (*found.problems, Problem(zero, *_ZERO))) if zero.any() else found


def _finite(array: Any) -> Value:
    return failing(array, pc.invert(pc.is_finite(array)), *_OVERFLOW)


def _by_numpy(compute: Callable[..., Any], arrays: list[Any]) -> Value:
    valid = np.logical_and.reduce([array.is_valid().to_numpy(zero_copy_only=False) for array in arrays])
    filled = [pc.fill_null(array, 1.0).to_numpy(zero_copy_only=False) for array in arrays]
    with np.errstate(all="ignore"):
        return _finite(pa.array(compute(*filled), pa.float64(), mask=~valid))


def power(_node: Typed, arrays: list[Any]) -> Value:
    return _by_numpy(np.power, arrays)


def square_root(_node: Typed, arrays: list[Any]) -> Value:
    (array,) = arrays
    negative = truths(pc.less(array, 0.0), unknown=False)
    root = Value(pc.sqrt(without(array, negative)))
    problem = Problem(negative, "negative_root", "is the root of a negative number")
    return Value(root.array, (problem,)) if negative.any() else root


def absolute(node: Typed, arrays: list[Any]) -> Value:
    return _signed(node, pc.abs_checked, arrays, abs)


def negated(node: Typed, arrays: list[Any]) -> Value:
    return _signed(node, pc.negate_checked, arrays, lambda value: -value)


def _signed(
    node: Typed, kernel: Callable[[Any], Any], arrays: list[Any], compute: Callable[[int], int]
) -> Value:
    assert node.type is not None  # as above
    try:
        return Value(kernel(arrays[0]))
    except pa.ArrowInvalid:
        return by_rows(lambda value: _int64(compute(value)), arrays, pa.int64())


def rounded(node: Typed, arrays: list[Any]) -> Value:
    digits = int(node.arguments[1].value) if len(node.arguments) > 1 else 0
    return _rounded(node, lambda array: pc.round(array, ndigits=digits, round_mode=_HALF_AWAY), arrays[0])


def floored(node: Typed, arrays: list[Any]) -> Value:
    return _rounded(node, pc.floor, arrays[0])


def ceiled(node: Typed, arrays: list[Any]) -> Value:
    return _rounded(node, pc.ceil, arrays[0])


def _rounded(node: Typed, kernel: Callable[[Any], Any], array: Any) -> Value:
    assert node.type is not None  # as above
    if pa.types.is_floating(array.type):
        return Value(kernel(array))
    if not pa.types.is_decimal(array.type) or array.type == arrow_type(node.type):
        return Value(array)
    found = kernel(_roomier(array))
    whole = found.type.precision - found.type.scale
    scale = node.type.scale or 0
    return narrowed(pc.cast(found, _type(whole + scale, scale)), node.type)
