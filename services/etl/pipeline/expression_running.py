"""The values of a typed expression over the columns of a batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline import casting, text_casting
from services.etl.pipeline import expression_numbers as numbers
from services.etl.pipeline import expression_texts as texts
from services.etl.pipeline import expression_times as times
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.expression_functions import FUNCTIONS
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.expression_values import Value, problem_at, truths
from services.etl.pipeline.forms import TextForm


@dataclass(frozen=True, slots=True)
class Rows:
    """What an expression is evaluated over: Arrow arrays by column, record numbers, the run's moment."""

    arrays: Mapping[str, Any]
    records: Any
    now: datetime

    def __len__(self) -> int:
        return len(self.records)


def evaluate(node: Typed, rows: Rows) -> Value:
    """The value of every row, of the node's Arrow type, and what failed."""
    if node.op in _SOURCES:
        return Value(_SOURCES[node.op](node, rows))
    if node.op in _LAZY:
        return _LAZY[node.op](node, rows)
    values = [evaluate(argument, rows) for argument in node.arguments]
    found = _OPERATIONS[node.op](node, [value.array for value in values])
    before = tuple(problem for value in values for problem in value.problems)
    return Value(found.array, before + found.problems) if before else found


def _type(node: Typed) -> Any:
    return pa.null() if node.type is None else arrow_type(node.type)


def _constant(node: Typed, rows: Rows) -> Any:
    return pa.repeat(pa.scalar(node.value, _type(node)), len(rows))


_SOURCES: Final[Mapping[str, Callable[[Typed, Rows], Any]]] = {
    "constant": _constant,
    "column": lambda node, rows: rows.arrays[node.value],
    "record_number": lambda _, rows: pa.array(rows.records, pa.int64()),
    "now": lambda node, rows: pa.repeat(pa.scalar(rows.now, _type(node)), len(rows)),
    "today": lambda node, rows: pa.repeat(pa.scalar(rows.now.date(), _type(node)), len(rows)),
}


def _and(node: Typed, rows: Rows) -> Value:
    return _junction(node, rows, pc.and_kleene, decided=False)


def _or(node: Typed, rows: Rows) -> Value:
    return _junction(node, rows, pc.or_kleene, decided=True)


def _junction(node: Typed, rows: Rows, join: Callable[[Any, Any], Any], *, decided: bool) -> Value:
    """The right side isn't reached where the left one decides."""
    left, right = (evaluate(argument, rows) for argument in node.arguments)
    problems = left.problems
    if right.problems:
        settled = truths(left.array, unknown=not decided) == decided
        problems += right.where(~settled)
    return Value(join(left.array, right.array), problems)


def _case(node: Typed, rows: Rows) -> Value:
    """Each condition is reached where none before it was true, each value where its condition is."""
    parts, problems = node.arguments, list[Any]()
    open_ = np.ones(len(rows), dtype=bool)
    chosen: list[tuple[Any, Any]] = []
    for condition, value in zip(parts[:-1:2], parts[1::2], strict=True):
        asked, given = evaluate(condition, rows), evaluate(value, rows)
        true = truths(asked.array, unknown=False) & open_
        problems += (*asked.where(open_), *given.where(true))
        chosen.append((pa.array(true), given.array))
        open_ = open_ & ~true
    otherwise = evaluate(parts[-1], rows)
    problems += otherwise.where(open_)
    array = otherwise.array
    for true, given in reversed(chosen):
        array = pc.if_else(true, given, array)
    return Value(array, tuple(problems))


def _coalesce(node: Typed, rows: Rows) -> Value:
    first, *others = (evaluate(argument, rows) for argument in node.arguments)
    problems, array = first.problems, first.array
    for other in others:
        problems += other.where(array.is_null().to_numpy(zero_copy_only=False))
        array = pc.coalesce(array, other.array)
    return Value(array, problems)


def _try(node: Typed, rows: Rows) -> Value:
    found = evaluate(node.arguments[0], rows)
    return Value(settled(found))


def settled(value: Value) -> Any:
    """The array with NULL wherever something failed on the way."""
    array = value.array
    for problem in value.problems:
        array = pc.if_else(pa.array(problem.rows), pa.scalar(None, array.type), array)
    return array


_LAZY: Final[Mapping[str, Callable[[Typed, Rows], Value]]] = {
    "and": _and,
    "or": _or,
    "case": _case,
    "coalesce": _coalesce,
    "try": _try,
}


def _widened(node: Typed, arrays: list[Any]) -> Value:
    assert node.type is not None  # the checker gave it one
    return _cells(casting.between(arrays[0], node.type))


def _cast(node: Typed, arrays: list[Any]) -> Value:
    source, target = node.arguments[0].type, node.type
    assert source is not None  # as above
    assert target is not None
    if source.is_text:
        found = _cells(text_casting.from_text(arrays[0], target, TextForm(trim=not target.is_text)))
    else:
        found = _cells(casting.between(arrays[0], target))
    return Value(found.array) if node.value else found


def _cells(cast: casting.Cast) -> Value:
    return Value(cast.array, problem_at(len(cast.array), cast.bad) if cast.bad else ())


_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def _compared(node: Typed, arrays: list[Any]) -> Value:
    return Value(_COMPARE[node.op](*_comparable(arrays)))


def _inside(_node: Typed, arrays: list[Any]) -> Value:
    subject, *others = _comparable(arrays)
    found = pc.equal(subject, others[0])
    for other in others[1:]:
        found = pc.or_kleene(found, pc.equal(subject, other))
    return Value(found)


def _comparable(arrays: list[Any]) -> list[Any]:
    """Decimals of different types as ones that hold them all."""
    if not pa.types.is_decimal(arrays[0].type) or all(array.type == arrays[0].type for array in arrays):
        return arrays
    scale = max(array.type.scale for array in arrays)
    whole = max(array.type.precision - array.type.scale for array in arrays)
    return [pc.cast(array, pa.decimal256(whole + scale, scale)) for array in arrays]


def _extreme(kernel: Callable[..., Any]) -> Callable[[Typed, list[Any]], Value]:
    def extreme(_node: Typed, arrays: list[Any]) -> Value:
        kind = arrays[0].type
        if pa.types.is_null(kind):  # nothing but bare NULLs
            return Value(arrays[0])
        if pa.types.is_timestamp(kind) and kind.tz:  # Arrow has no kernel for these
            arrays = [pc.cast(array, pa.int64()) for array in arrays]
        return Value(pc.cast(kernel(*arrays, skip_nulls=True), kind))

    return extreme


def _nullif(_node: Typed, arrays: list[Any]) -> Value:
    one, other = arrays
    same = pc.fill_null(pc.equal(one, other), False)  # noqa: FBT003  what unknown counts as
    return Value(pc.if_else(same, pa.scalar(None, one.type), one))


_OPERATIONS: Final[Mapping[str, Callable[[Typed, list[Any]], Value]]] = {
    **dict.fromkeys(("+", "-", "*", "/", "%"), numbers.arithmetic),
    **dict.fromkeys(_COMPARE, _compared),
    "in": _inside,
    "not": lambda _, arrays: Value(pc.invert(arrays[0])),
    "is null": lambda _, arrays: Value(pc.is_null(arrays[0])),
    "is not null": lambda _, arrays: Value(pc.is_valid(arrays[0])),
    "widen": _widened,
    "cast": _cast,
    "minus": numbers.negated,
    "abs": numbers.absolute,
    "round": numbers.rounded,
    "floor": numbers.floored,
    "ceil": numbers.ceiled,
    "power": numbers.power,
    "sqrt": numbers.square_root,
    "greatest": _extreme(pc.max_element_wise),
    "least": _extreme(pc.min_element_wise),
    "nullif": _nullif,
    "||": texts.joined,
    "concat": texts.concatenated,
    "date_trunc": times.truncated,
    "extract": times.extracted,
    "date_add": times.moved,
    "date_diff": times.between,
    "in_zone": times.in_zone,
    "like": texts.by_text,
    **{name: texts.by_text for name in FUNCTIONS if name in texts.NAMES},
}
"""Operations that need all their arguments."""
