"""The functions of expressions: what each takes and gives. Plain data; the values are made elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.etl.columns import TEXT, ColumnType
from services.etl.pipeline.expression_tree import Wrong
from services.etl.pipeline.expression_types import BOOLEAN, FLOAT64, INT64, Typed, decimal

Takes = Literal[
    "number",
    "float",
    "integer",
    "digits",
    "text",
    "day",
    "unit",
    "pattern",
    "zone",
    "path",
    "same",
    "any",
    "json",
]
"""What an argument may be. digits, unit, pattern, zone and path are constants; all `same` have one type."""

Gives = Callable[[Sequence[Typed]], ColumnType | None]
DAY_UNITS: Final = ("year", "quarter", "month", "week", "day")
CLOCK_UNITS: Final = ("hour", "minute", "second")
PART_UNITS: Final = (*DAY_UNITS, *CLOCK_UNITS, "day_of_week", "day_of_year", "iso_year", "epoch")
TIMESTAMP: Final = ColumnType("timestamp")
TIMESTAMPTZ: Final = ColumnType("timestamptz")
DATE: Final = ColumnType("date")


@dataclass(frozen=True, slots=True)
class Function:
    """A function: how it is called, what it does, what it takes and gives.

    The last `optional` arguments may be left out; with `more` the last one may come several times.
    """

    usage: str
    summary: str
    takes: tuple[Takes, ...]
    gives: Gives
    optional: int = 0
    more: bool = False
    nullable: bool = False


def _is(kind: ColumnType) -> Gives:
    return lambda _: kind


def _first(arguments: Sequence[Typed]) -> ColumnType | None:
    return arguments[0].type


def _absolute(arguments: Sequence[Typed]) -> ColumnType | None:
    kind = arguments[0].type
    return INT64 if kind is None or kind.is_integer else kind


def _float(arguments: Sequence[Typed]) -> ColumnType | None:
    for argument in arguments:
        if argument.kind == "decimal" and not argument.is_constant:
            raise Wrong(argument.at, "it computes with floats: cast the decimal to float64 if that will do")
    return FLOAT64


def _rounded(arguments: Sequence[Typed]) -> ColumnType | None:
    kind, digits = arguments[0].type, int(arguments[1].value) if len(arguments) > 1 else 0
    if kind is None or kind.kind != "decimal":
        return _absolute(arguments)
    precision, scale = kind.precision or 0, kind.scale or 0
    return kind if digits >= scale else decimal(precision - scale + digits + 1, digits, arguments[0].at)


def _whole(arguments: Sequence[Typed]) -> ColumnType | None:
    return _rounded(arguments[:1])


def _truncated(arguments: Sequence[Typed]) -> ColumnType | None:
    unit, day = arguments
    if day.kind == "date" and unit.value in CLOCK_UNITS:
        raise Wrong(unit.at, f"a date has no {unit.value}")
    return day.type


def _part(arguments: Sequence[Typed]) -> ColumnType | None:
    _truncated(arguments)
    return INT64


def _moved(arguments: Sequence[Typed]) -> ColumnType | None:
    return _truncated((arguments[0], arguments[2]))


def _in_zone(arguments: Sequence[Typed]) -> ColumnType | None:
    kind = arguments[0].kind
    if kind == "date":
        raise Wrong(arguments[0].at, "a date has no time of day: cast it to timestamp")
    return TIMESTAMP if kind == "timestamptz" else TIMESTAMPTZ


_NUMBERS: Final[Mapping[str, Function]] = {
    "abs": Function("abs(x)", "Without its sign.", ("number",), _absolute),
    "round": Function(
        "round(x, digits)",
        "Rounded half away from zero, to so many decimal places (0).",
        ("number", "digits"),
        _rounded,
        optional=1,
    ),
    "floor": Function("floor(x)", "The next whole number below.", ("number",), _whole),
    "ceil": Function("ceil(x)", "The next whole number above.", ("number",), _whole),
    "mod": Function(
        "mod(x, y)",
        "What a division leaves, with the sign of x; x % y is the same.",
        ("number", "number"),
        _first,
    ),
    "power": Function("power(x, y)", "x to the power of y, as float64.", ("float", "float"), _float),
    "sqrt": Function("sqrt(x)", "The square root, as float64.", ("float",), _float),
    "greatest": Function("greatest(x, ...)", "The largest that is not NULL.", ("same",), _first, more=True),
    "least": Function("least(x, ...)", "The smallest that is not NULL.", ("same",), _first, more=True),
}
_NULLS: Final[Mapping[str, Function]] = {
    "coalesce": Function("coalesce(x, ...)", "The first that is not NULL.", ("same",), _first, more=True),
    "nullif": Function(
        "nullif(x, y)", "NULL where both are equal, x elsewhere.", ("same", "same"), _first, nullable=True
    ),
    "try": Function("try(x)", "NULL where x fails: try(a / b).", ("any",), _first, nullable=True),
}
_TEXTS: Final[Mapping[str, Function]] = {
    "lower": Function("lower(t)", "In small letters.", ("text",), _is(TEXT)),
    "upper": Function("upper(t)", "In capital letters.", ("text",), _is(TEXT)),
    "trim": Function(
        "trim(t, signs)",
        "Without white space, or these signs, at both ends.",
        ("text", "text"),
        _is(TEXT),
        optional=1,
    ),
    "ltrim": Function(
        "ltrim(t, signs)", "As trim, at the beginning.", ("text", "text"), _is(TEXT), optional=1
    ),
    "rtrim": Function("rtrim(t, signs)", "As trim, at the end.", ("text", "text"), _is(TEXT), optional=1),
    "length": Function("length(t)", "How many characters.", ("text",), _is(INT64)),
    "substring": Function(
        "substring(t, from, count)",
        "From the character of this number (1 the first).",
        ("text", "integer", "integer"),
        _is(TEXT),
        optional=1,
    ),
    "left": Function("left(t, count)", "The first characters.", ("text", "integer"), _is(TEXT)),
    "right": Function("right(t, count)", "The last characters.", ("text", "integer"), _is(TEXT)),
    "lpad": Function(
        "lpad(t, width, fill)",
        "Filled on the left to a width, cut if longer.",
        ("text", "integer", "text"),
        _is(TEXT),
        optional=1,
    ),
    "rpad": Function(
        "rpad(t, width, fill)",
        "Filled on the right to a width, cut if longer.",
        ("text", "integer", "text"),
        _is(TEXT),
        optional=1,
    ),
    "replace": Function(
        "replace(t, old, new)", "With each `old` replaced.", ("text", "text", "text"), _is(TEXT)
    ),
    "split_part": Function(
        "split_part(t, separator, n)",
        "The nth part (from 1); NULL where there is none.",
        ("text", "text", "integer"),
        _is(TEXT),
        nullable=True,
    ),
    "concat": Function(
        "concat(x, ...)", "All joined as text, without those that are NULL.", ("any",), _is(TEXT), more=True
    ),
    "starts_with": Function("starts_with(t, start)", "Whether it starts so.", ("text", "text"), _is(BOOLEAN)),
    "ends_with": Function("ends_with(t, end)", "Whether it ends so.", ("text", "text"), _is(BOOLEAN)),
    "contains": Function("contains(t, part)", "Whether this is in it.", ("text", "text"), _is(BOOLEAN)),
    "regex_matches": Function(
        "regex_matches(t, pattern)",
        "Whether a pattern (RE2) is found in it.",
        ("text", "pattern"),
        _is(BOOLEAN),
    ),
    "regex_replace": Function(
        "regex_replace(t, pattern, new)",
        r"With each match of a pattern replaced; \1 is its first group.",
        ("text", "pattern", "pattern"),
        _is(TEXT),
    ),
    "regex_extract": Function(
        "regex_extract(t, pattern, group)",
        "The first match of a pattern, or a group of it; NULL where there is none.",
        ("text", "pattern", "digits"),
        _is(TEXT),
        optional=1,
        nullable=True,
    ),
    "md5": Function(
        "md5(t)", "The MD5 sum of its UTF-8 bytes, as 32 hexadecimal digits.", ("text",), _is(TEXT)
    ),
    "sha256": Function("sha256(t)", "The SHA-256 sum, as 64 hexadecimal digits.", ("text",), _is(TEXT)),
    "json_value": Function(
        "json_value(j, path)",
        "What is at a path such as a.b[0], as text; NULL where nothing is, or an object or array.",
        ("json", "path"),
        _is(TEXT),
        nullable=True,
    ),
}
_TIMES: Final[Mapping[str, Function]] = {
    "now": Function("now()", "The moment at which the run began.", (), _is(TIMESTAMPTZ)),
    "today": Function("today()", "The day at which the run began, in UTC.", (), _is(DATE)),
    "date_trunc": Function(
        "date_trunc(unit, d)",
        "The beginning of its year, month, week (Monday), day, hour, ...",
        ("unit", "day"),
        _truncated,
    ),
    "extract": Function(
        "extract(unit from d)",
        "Its year, quarter, month, week (ISO), day, hour, minute, second, "
        "day_of_week (1 is Monday), "
        "day_of_year, iso_year, or epoch, the whole seconds since 1970.",
        ("unit", "day"),
        _part,
    ),
    "date_add": Function(
        "date_add(unit, n, d)",
        "So many units later; months end with their last day.",
        ("unit", "integer", "day"),
        _moved,
    ),
    "date_diff": Function(
        "date_diff(unit, from, to)",
        "How many borders of the unit lie between.",
        ("unit", "same", "same"),
        _is(INT64),
    ),
    "in_zone": Function(
        "in_zone(d, zone)",
        "A timestamptz as clocks show it there, or a timestamp of those clocks as timestamptz.",
        ("day", "zone"),
        _in_zone,
    ),
    "record_number": Function(
        "record_number()", "The number of the row's record in the source, from 1.", (), _is(INT64)
    ),
}
GROUPS: Final[Mapping[str, Mapping[str, Function]]] = {
    "Numbers": _NUMBERS,
    "NULL": _NULLS,
    "Text": _TEXTS,
    "Dates and times": _TIMES,
}
FUNCTIONS: Final[Mapping[str, Function]] = {
    name: one for group in GROUPS.values() for name, one in group.items()
}
