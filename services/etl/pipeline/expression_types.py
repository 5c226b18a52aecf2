"""Types in expressions: what a typed tree is, and which type several values have in common.

The rules. Whole numbers compute as int64. Decimals compute exactly: a sum has the larger scale, a product
the sum of the scales, a quotient the larger scale but six digits at least, rounded half away from zero; at
most 38 digits, and a value beyond them is an overflow. Decimals and floats don't mix without a cast.
A constant takes the type of what it meets: '2026-01-31' beside a date is a date.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from services.etl.columns import INTEGER_RANGES, MAX_PRECISION, TEXT, ColumnType
from services.etl.pipeline.expression_tree import Wrong
from services.etl.pipeline.literals import LiteralInvalid, literal

INT64: Final = ColumnType("int64")
FLOAT64: Final = ColumnType("float64")
BOOLEAN: Final = ColumnType("boolean")
_DIGITS: Final = {"int16": 5, "int32": 10, "int64": 19}


@dataclass(frozen=True, slots=True)
class Typed:
    """A node whose type is known: an operation on nodes, a column (`value` its name) or a constant.

    The type of a bare NULL is None until it meets another one.
    """

    op: str
    type: ColumnType | None
    arguments: tuple["Typed", ...] = ()
    value: Any = None
    at: int = 0

    @property
    def is_constant(self) -> bool:
        return self.op == "constant"

    @property
    def kind(self) -> str:
        """The kind of the type; `null` for a bare NULL."""
        return "null" if self.type is None else self.type.kind


def decimal(precision: int, scale: int, at: int) -> ColumnType:
    """A decimal of so many digits, 38 at most. Raises Wrong where not even the scale has room."""
    if scale > MAX_PRECISION:
        raise Wrong(at, f"the result would have {scale} digits behind the point: round or cast before")
    return ColumnType("decimal", precision=max(1, scale, min(precision, MAX_PRECISION)), scale=scale)


def constant_type(value: Any, at: int) -> ColumnType | None:
    """The type that a constant has by itself."""
    if value is None:
        return None
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        low, high = INTEGER_RANGES["int64"]
        return INT64 if low <= value <= high else decimal(len(str(abs(value))), 0, at)
    if isinstance(value, Decimal):
        scale = -int(value.as_tuple().exponent)
        return decimal(max(len(value.as_tuple().digits), scale), scale, at)
    return FLOAT64 if isinstance(value, float) else TEXT


def exact(node: Typed) -> ColumnType:
    """The decimal type that holds all values of a whole number or decimal."""
    assert node.type is not None  # numbers have a type
    if node.type.kind == "decimal":
        return node.type
    digits = len(str(abs(node.value))) if node.is_constant and node.value is not None else _DIGITS[node.kind]
    return decimal(digits, 0, node.at)


def widened(node: Typed, wanted: ColumnType) -> Typed:
    """The node as another type of its family, or a constant as the type that it meets. Raises Wrong."""
    if node.type == wanted:
        return node
    if not node.is_constant:
        return Typed("widen", wanted, (node,), at=node.at)
    if node.value is None:
        return replace(node, type=wanted)
    value = node.value
    if isinstance(value, Decimal):
        value = float(value) if wanted.kind in {"float32", "float64"} else str(value)
    try:
        return replace(node, type=wanted, value=literal(value, wanted))
    except LiteralInvalid as error:
        raise Wrong(node.at, str(error).rstrip(".")) from None


def in_common(nodes: Sequence[Typed]) -> ColumnType | None:
    """The type that all of some values can have. Raises Wrong at the one that doesn't fit the others."""
    firm = [node for node in nodes if not node.is_constant]
    constants = [node for node in nodes if node.is_constant and node.value is not None]
    found = _joined(firm)
    if found is None:
        return _joined(constants)
    for node in constants:
        found = _with_constant(found, node)
    return found


def _joined(nodes: Iterable[Typed]) -> ColumnType | None:
    typed = [node for node in nodes if node.type is not None]
    return reduce(_both, typed[1:], typed[0].type) if typed else None


def _both(left: ColumnType | None, node: Typed) -> ColumnType:
    right = node.type
    assert left is not None  # as _joined gives them
    assert right is not None
    if left == right:
        return left
    if left.is_integer and right.is_integer:
        return max(left, right, key=lambda kind: _DIGITS[kind.kind])
    if left.is_text and right.is_text:
        return TEXT
    if left.is_number and right.is_number:
        return _number(left, node)
    raise Wrong(node.at, f"{right} and {left} have no type in common: cast one of them")


def _number(left: ColumnType, node: Typed) -> ColumnType:
    kinds = {left.kind, node.kind}
    if not kinds & {"float32", "float64"}:
        one, other = exact(Typed("", left)), exact(node)
        scale = max(one.scale or 0, other.scale or 0)
        whole = max((one.precision or 0) - (one.scale or 0), (other.precision or 0) - (other.scale or 0))
        return decimal(whole + scale, scale, node.at)
    if "decimal" in kinds:
        raise Wrong(node.at, "decimals and floats don't mix: cast one of them")
    return FLOAT64


def _with_constant(found: ColumnType, node: Typed) -> ColumnType:
    if found.is_number and isinstance(node.value, int | Decimal | float) and node.kind != "boolean":
        if found.kind in {"float32", "float64"}:
            return FLOAT64
        if found.is_integer and isinstance(node.value, int):
            low, high = INTEGER_RANGES[found.kind]
            return found if low <= node.value <= high else _both(found, node)
        return _both(found, node)
    if isinstance(node.value, str) and not found.is_number and found.kind != "boolean":
        return TEXT if found.is_text else found
    return _both(found, node)
