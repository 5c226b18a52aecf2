"""From a tree to a typed tree: names, types and constants are checked against columns, without data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.etl.columns import TEXT, Columns, ColumnType, ColumnUnknown
from services.etl.pipeline import conversions
from services.etl.pipeline.expression_constants import CONSTANTS, check_together
from services.etl.pipeline.expression_functions import CLOCK_UNITS, FUNCTIONS, Function, Takes
from services.etl.pipeline.expression_tree import Call, Constant, Conversion, Name, Node, Wrong
from services.etl.pipeline.expression_types import (
    BOOLEAN,
    FLOAT64,
    INT64,
    Typed,
    constant_type,
    decimal,
    exact,
    in_common,
    widened,
)

_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "mod"})
_COMPARING: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_HINTS: Final[Mapping[str, str]] = {"+": "; texts are joined by ||, times moved by date_add"}
_DAYS: Final = frozenset({"date", "timestamp", "timestamptz"})


def typed(node: Node, columns: Columns) -> Typed:
    """The tree with types. Raises Wrong with the offset of what doesn't fit."""
    if isinstance(node, Constant):
        return Typed("constant", constant_type(node.value, node.at), value=node.value, at=node.at)
    if isinstance(node, Name):
        return _column(node, columns)
    if isinstance(node, Conversion):
        return _conversion(node, typed(node.argument, columns))
    return _call(node, columns)


def _call(node: Call, columns: Columns) -> Typed:
    arguments = [typed(argument, columns) for argument in node.arguments]
    if node.function in _ARITHMETIC and len(arguments) == 2:  # noqa: PLR2004  between two operands
        return _arithmetic(node, *arguments)
    if node.function in _COMPARING or node.function == "in":
        return _comparison(node, arguments)
    if node.function in _OPERATORS:
        return _OPERATORS[node.function](node, arguments)
    return _function(node, arguments)


def converted(node: Typed, wanted: ColumnType, *, forgiving: bool = False, at: int = 0) -> Typed:
    """A cast of the node, as the step `cast_types` does it. Raises Wrong where no value could become one."""
    if node.type == wanted:
        return node
    if node.type is None:
        return widened(node, wanted)
    if conversions.needs_timezone(node.type, wanted):
        raise Wrong(at, "a time without a zone is no moment yet: use in_zone(x, 'Europe/Berlin')")
    if not conversions.can_cast(node.type, wanted):
        raise Wrong(at, f"{node.type} can't be cast to {wanted}")
    return Typed("cast", wanted, (node,), value=forgiving, at=at)


def _column(node: Name, columns: Columns) -> Typed:
    try:
        column = columns.get(node.name)
    except ColumnUnknown as error:
        raise Wrong(node.at, str(error).rstrip(".")) from None
    return Typed("column", column.type, value=node.name, at=node.at)


def _conversion(node: Conversion, argument: Typed) -> Typed:
    return converted(argument, node.type, forgiving=node.forgiving, at=node.at)


def _arithmetic(node: Call, left: Typed, right: Typed) -> Typed:
    sign = "%" if node.function == "mod" else node.function
    for side in (left, right):
        _number(side, f"{sign!r} computes with numbers", hint=_HINTS.get(sign, ""))
    if {left.kind, right.kind} & {"float32", "float64"}:
        kind = _floats(left, right)
        return Typed(sign, kind, (widened(left, kind), widened(right, kind)), at=node.at)
    if {left.kind, right.kind} == {"null"}:
        left = widened(left, INT64)
    if "decimal" in {left.kind, right.kind} or sign == "/":
        one, other = _exactly(left), _exactly(right)
        kind = _RESULTS[sign](exact(one), exact(other), node.at)
        return Typed(sign, kind, (widened(one, exact(one)), widened(other, exact(other))), at=node.at)
    return Typed(sign, INT64, (widened(left, INT64), widened(right, INT64)), at=node.at)


def _exactly(node: Typed) -> Typed:
    return widened(node, decimal(1, 0, node.at)) if node.type is None else node


def _floats(left: Typed, right: Typed) -> ColumnType:
    for side in (left, right):
        if side.kind == "decimal" and not side.is_constant:
            raise Wrong(side.at, "decimals and floats don't mix: cast one of them")
    return FLOAT64


def _sum(left: ColumnType, right: ColumnType, at: int) -> ColumnType:
    scale = max(left.scale or 0, right.scale or 0)
    return decimal(max(_whole(left), _whole(right)) + scale + 1, scale, at)


def _product(left: ColumnType, right: ColumnType, at: int) -> ColumnType:
    scale = (left.scale or 0) + (right.scale or 0)
    return decimal((left.precision or 0) + (right.precision or 0) + 1, scale, at)


def _quotient(left: ColumnType, right: ColumnType, at: int) -> ColumnType:
    scale = max(left.scale or 0, right.scale or 0, 6)
    return decimal(_whole(left) + (right.scale or 0) + scale, scale, at)


def _remainder(left: ColumnType, right: ColumnType, at: int) -> ColumnType:
    scale = max(left.scale or 0, right.scale or 0)
    return decimal(max(_whole(left), _whole(right)) + scale, scale, at)


def _whole(kind: ColumnType) -> int:
    return (kind.precision or 0) - (kind.scale or 0)


_RESULTS: Final[Mapping[str, Callable[[ColumnType, ColumnType, int], ColumnType]]] = {
    "+": _sum,
    "-": _sum,
    "*": _product,
    "/": _quotient,
    "%": _remainder,
}


def _number(node: Typed, rule: str, *, hint: str = "") -> None:
    if node.type is not None and not node.type.is_number:
        raise Wrong(node.at, f"{rule}, this is {node.type}{hint}")


def _comparison(node: Call, arguments: Sequence[Typed]) -> Typed:
    kind = in_common(arguments) or TEXT
    if kind.kind == "json":
        raise Wrong(node.at, "json can't be compared: take a value out of it by json_value")
    if node.function not in {"=", "<>", "in"} and not kind.is_ordered:
        raise Wrong(node.at, f"{kind} has no order: use = or <>")
    if kind.kind == "decimal":
        sides = [_exactly(argument) for argument in arguments]
        return Typed(node.function, BOOLEAN, tuple(widened(side, exact(side)) for side in sides), at=node.at)
    return Typed(node.function, BOOLEAN, tuple(widened(one, kind) for one in arguments), at=node.at)


def _logic(node: Call, arguments: Sequence[Typed]) -> Typed:
    return Typed(node.function, BOOLEAN, tuple(_truth(argument) for argument in arguments), at=node.at)


def _truth(node: Typed) -> Typed:
    if node.type is not None and node.type != BOOLEAN:
        raise Wrong(node.at, f"something true or false is expected here, this is {node.type}")
    return widened(node, BOOLEAN)


def _presence(node: Call, arguments: Sequence[Typed]) -> Typed:
    return Typed(node.function, BOOLEAN, (widened(arguments[0], arguments[0].type or TEXT),), at=node.at)


def _sign(node: Call, arguments: Sequence[Typed]) -> Typed:
    (operand,) = arguments
    _number(operand, "a sign stands before numbers")
    kind = INT64 if operand.type is None or operand.type.is_integer else operand.type
    operand = widened(operand, kind)
    return operand if node.function == "plus" else Typed("minus", kind, (operand,), at=node.at)


def _joined(node: Call, arguments: Sequence[Typed]) -> Typed:
    return Typed("||", TEXT, tuple(_as_text(argument) for argument in arguments), at=node.at)


def _as_text(node: Typed) -> Typed:
    if node.type is None or node.type.is_text:
        return node if node.type is not None else widened(node, TEXT)
    return converted(node, TEXT, at=node.at)


def _like(node: Call, arguments: Sequence[Typed]) -> Typed:
    text, pattern = arguments
    if not isinstance(pattern.value, str) or not pattern.is_constant:
        raise Wrong(pattern.at, "the pattern of like is a text in single quotes")
    return Typed("like", BOOLEAN, (_argument(text, "text"), pattern), at=node.at)


def _case(node: Call, arguments: Sequence[Typed]) -> Typed:
    conditions, values = arguments[:-1:2], [*arguments[1::2], arguments[-1]]
    kind = in_common(values)
    made = values if kind is None else [widened(value, kind) for value in values]
    parts = [part for pair in zip(map(_truth, conditions), made[:-1], strict=True) for part in pair]
    return Typed("case", kind, (*parts, made[-1]), at=node.at)


_OPERATORS: Final[Mapping[str, Callable[[Call, Sequence[Typed]], Typed]]] = {
    "and": _logic,
    "or": _logic,
    "not": _logic,
    "is null": _presence,
    "is not null": _presence,
    "minus": _sign,
    "plus": _sign,
    "||": _joined,
    "like": _like,
    "case": _case,
}


def _function(node: Call, arguments: Sequence[Typed]) -> Typed:
    known = FUNCTIONS.get(node.function)
    if known is None:
        raise Wrong(node.at, f"there is no function {node.function!r}")
    least, most = len(known.takes) - known.optional, len(known.takes)
    if len(arguments) < least or (len(arguments) > most and not known.more):
        raise Wrong(node.at, f"it is used as {known.usage}")
    wanted = [*known.takes, *(known.takes[-1:] * (len(arguments) - most))]
    taken = [_argument(one, takes) for one, takes in zip(arguments, wanted, strict=False)]
    check_together(node, taken)
    made = _as_one(node, known, taken, wanted)
    if node.function == "concat":
        made = [_as_text(argument) for argument in made]
    if "float" in known.takes:
        kind = known.gives(made)
        return Typed(node.function, kind, tuple(widened(one, FLOAT64) for one in made), at=node.at)
    return Typed(node.function, known.gives(made), tuple(made), at=node.at)


def _as_one(node: Call, known: Function, taken: list[Typed], wanted: Sequence[Takes]) -> list[Typed]:
    """The arguments with those that must be of one type made so."""
    alike = [one for one, takes in zip(taken, wanted, strict=False) if takes == "same"]
    kind = in_common(alike)
    if kind is None:
        return taken
    if node.function == "date_diff" and kind.kind not in _DAYS:
        raise Wrong(alike[0].at, f"a date or a timestamp is expected here, this is {kind}")
    if node.function in {"greatest", "least"} and not kind.is_ordered:
        raise Wrong(node.at, f"{kind} has no order")
    if known.takes[0] == "unit" and kind.kind == "date" and taken[0].value in CLOCK_UNITS:
        raise Wrong(taken[0].at, f"a date has no {taken[0].value}")
    return [widened(one, kind) if takes == "same" else one for one, takes in zip(taken, wanted, strict=False)]


def _argument(node: Typed, takes: Takes) -> Typed:
    if takes in {"number", "float"}:
        _number(node, "a number is expected here")
        if node.type is None:
            return widened(node, INT64)
        return widened(node, INT64) if node.type.is_integer and takes == "number" else node
    if takes in _FAMILIES:
        return _of_family(node, takes)
    if takes in CONSTANTS:
        CONSTANTS[takes](node)
    return node


_FAMILIES: Final[Mapping[str, tuple[frozenset[str], ColumnType, str]]] = {
    "integer": (frozenset({"int16", "int32", "int64"}), INT64, "a whole number"),
    "text": (frozenset({"text", "varchar"}), TEXT, "a text"),
    "json": (frozenset({"json", "text", "varchar"}), TEXT, "json or text"),
    "day": (_DAYS, ColumnType("timestamp"), "a date or a timestamp"),
}
"""The kinds that an argument may have, the type of a bare NULL in its place, and their name."""


def _of_family(node: Typed, takes: Takes) -> Typed:
    kinds, kind, name = _FAMILIES[takes]
    if node.type is None:
        return widened(node, kind)
    if node.type.kind not in kinds:
        raise Wrong(node.at, f"{name} is expected here, this is {node.type}: cast it")
    return widened(node, INT64) if takes == "integer" else node
