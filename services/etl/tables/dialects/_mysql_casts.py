"""How MySQL and MariaDB turn the values of a column into another type, and which of them they can't exactly.

They would rather change a value than refuse it: rounding is a note, a blank too many is nothing. So what
MODIFY would not keep is counted before, by expressions that give NULL where one that writes would fail.
The patterns take what `literals.canonical` takes, in the spellings that the servers read the same way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind

from .work import Sql

_DATE: Final = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
_ZONE: Final = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"
_UUID: Final = "[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"
_FIRST: Final = "'0001-01-01'"
_INTEGER_DIGITS: Final[Mapping[Kind, int]] = {"int16": 5, "int32": 10, "int64": 19}
_WIDE: Final = "decimal(65,0)"
_LAST_TIME: Final = "'23:59:59.999999'"


@dataclass(frozen=True, slots=True)
class Cast:
    """`value`: in its new type. `misfit`: whether it can't be had exactly; None where it always can.

    `direct`: MODIFY makes the same of every value that fits.
    """

    value: Sql
    misfit: Sql | None = None
    direct: bool = True


def cast(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    """The cast between two types of which `casts.castable` says that there is one; `column` is its SQL."""
    if before.is_text:
        return _shortened(before, after, column) if after.is_text else _FROM_TEXT[after.kind](after, column)
    if after.is_text:
        return _as_text(before, after, column)
    return _between(before, after, column)


def _shortened(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    if after.length is None or (before.length is not None and before.length <= after.length):
        return Cast(column)
    return Cast(column, Sql(f"CHAR_LENGTH({column}) > {after.length}"))


def _as_text(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    spell = _SPELLED.get(before.kind)
    value = f"CAST({column} AS char)" if spell is None else spell(column)
    misfits = [_UNSPELLED[before.kind].format(column)] if before.kind in _UNSPELLED else []
    if after.length is not None:
        misfits.append(f"CHAR_LENGTH({value}) > {after.length}")
    return Cast(Sql(value), Sql(" OR ".join(misfits)) if misfits else None, direct=spell is None)


def _between(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    match before.kind, after.kind:
        case "boolean", _:
            return Cast(column, Sql(f"{column} NOT IN (0, 1)"))
        case "date", "timestamp":
            return Cast(Sql(f"CAST({column} AS datetime(6))"), Sql(f"{column} < {_FIRST}"))
        case "timestamp", "date":
            value = f"CAST({column} AS date)"
            return Cast(Sql(value), Sql(f"{column} < {_FIRST} OR CAST({value} AS datetime(6)) <> {column}"))
        case _, ("int16" | "int32" | "int64"):
            return _integer(before, after, column)
        case _, "decimal":
            return _decimal(before, after, column)
        case _:
            return Cast(column)


def _integer(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    low, high = INTEGER_RANGES[after.kind]
    misfits = [] if _whole(before) < _INTEGER_DIGITS[after.kind] else [_outside(column, low, high)]
    if before.kind == "decimal" and before.scale:
        misfits.append(f"{column} <> TRUNCATE({column}, 0)")
    if before.is_integer and INTEGER_RANGES[before.kind][1] <= high:
        misfits = []
    return Cast(column, Sql(" OR ".join(misfits)) if misfits else None)


def _decimal(before: ColumnType, after: ColumnType, column: Sql) -> Cast:
    assert after.precision is not None
    assert after.scale is not None
    whole = after.precision - after.scale
    misfits = []
    if _whole(before) > whole:
        misfits.append(f"ABS(CAST({column} AS decimal(65,{before.scale or 0}))) >= {10**whole}")
    if (before.scale or 0) > after.scale:
        misfits.append(f"{column} <> TRUNCATE({column}, {after.scale})")
    return Cast(column, Sql(" OR ".join(misfits)) if misfits else None)


def _whole(kind: ColumnType) -> int:
    """How many digits a number of this type may have before its point."""
    if kind.precision is not None and kind.scale is not None:
        return kind.precision - kind.scale
    return _INTEGER_DIGITS[kind.kind]


def _outside(value: str, low: int, high: int) -> str:
    return f"{value} NOT BETWEEN {low} AND {high}"


def _text_to_integer(after: ColumnType, column: Sql) -> Cast:
    value = f"CAST({column} AS {_WIDE})"
    low, high = INTEGER_RANGES[after.kind]
    return _shaped(column, "[+-]?[0-9]{1,30}", value, _outside(value, low, high))


def _text_to_decimal(after: ColumnType, column: Sql) -> Cast:
    """The digits are counted by the pattern: the server's own decimals are shorter than the texts may be."""
    assert after.precision is not None
    assert after.scale is not None
    digits = f"[+-]?0*[0-9]{{0,{after.precision - after.scale}}}([.][0-9]{{0,{after.scale}}}0*)?"
    value = f"CAST({column} AS decimal({after.precision},{after.scale}))"
    shape = "[+-]?[0-9]{1,100}([.][0-9]{1,100})?"
    return _shaped(column, shape, value, f"NOT ({_matches(column, digits)})")


def _text_to_boolean(_: ColumnType, column: Sql) -> Cast:
    return Cast(Sql(f"{column} = 'true'"), Sql(f"{column} NOT IN ('true', 'false')"), direct=False)


def _text_to_uuid(_: ColumnType, column: Sql) -> Cast:
    digits = f"LOWER(REPLACE({column}, '-', ''))"
    places = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    groups = ", '-', ".join(f"SUBSTR({digits}, {first}, {length})" for first, length in places)
    value = Sql(f"CONCAT({groups})")
    return Cast(value, Sql(f"NOT ({_matches(column, _UUID)})"), direct=False)


def _text_to_date(_: ColumnType, column: Sql) -> Cast:
    return _moment(column, _DATE, f"CAST({column} AS date)")


def _text_to_time(_: ColumnType, column: Sql) -> Cast:
    return _shaped(column, _TIME, f"CAST({column} AS time(6))")


def _text_to_timestamp(_: ColumnType, column: Sql) -> Cast:
    return _moment(column, f"{_DATE}([ T]{_TIME})?", f"CAST({column} AS datetime(6))")


def _text_to_timestamptz(_: ColumnType, column: Sql) -> Cast:
    """Seconds or the zone come after the sixteenth character; the only sign from there on is the zone's."""
    east, west = (f"INSTR(SUBSTR({column}, 17), '{sign}')" for sign in "+-")
    sign = f"(16 + GREATEST({east}, {west}))"
    local = f"CAST(SUBSTR({column}, 1, {sign} - 1) AS datetime(6))"
    has_minutes = f"CHAR_LENGTH({column}) > {sign} + 2"
    minutes = f"SUBSTR({column}, {sign} + 1, 2) * 60 + IF({has_minutes}, RIGHT({column}, 2), 0)"
    zulu = f"CAST(SUBSTR({column}, 1, CHAR_LENGTH({column}) - 1) AS datetime(6))"
    shifted = f"{local} + INTERVAL IF({east}, -1, 1) * ({minutes}) MINUTE"
    value = f"CASE WHEN RIGHT({column}, 1) = 'Z' THEN {zulu} ELSE {shifted} END"
    return _moment(column, f"{_DATE}[ T]{_TIME}{_ZONE}", value, direct=False)


def _moment(column: Sql, shape: str, value: str, *, direct: bool = True) -> Cast:
    """A date that no calendar has is NULL; the servers have a year 0, and we have none.

    NULL is asked for by itself: MariaDB compares such a NULL as if it were a date.
    """
    return _shaped(column, shape, value, f"({value} IS NULL OR {value} < {_FIRST})", direct=direct)


def _shaped(column: Sql, shape: str, value: str, misfit: str = "FALSE", *, direct: bool = True) -> Cast:
    unfit = f"CASE WHEN {_matches(column, shape)} THEN {misfit} ELSE TRUE END"
    return Cast(Sql(value), Sql(unfit), direct=direct)


def _matches(column: Sql, pattern: str) -> str:
    """The end is the very end: a dollar would let a line break pass. Backslashes are plain in our texts."""
    return f"{column} REGEXP '^({pattern})\\z'"


def _micros(column: Sql, form: str, ending: str = "") -> str:
    """A time as Python's isoformat has it: fractions only where there are any."""
    function = "TIME_FORMAT" if form == "%H:%i:%s" else "DATE_FORMAT"
    whole, exact = f"'{form}{ending}'", f"'{form}.%f{ending}'"
    return f"{function}({column}, IF(MICROSECOND({column}) = 0, {whole}, {exact}))"


_SPELLED: Final[Mapping[Kind, Callable[[Sql], str]]] = {
    "boolean": lambda column: f"CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    "time": lambda column: _micros(column, "%H:%i:%s"),
    "timestamp": lambda column: _micros(column, "%Y-%m-%d %H:%i:%s"),
    "timestamptz": lambda column: _micros(column, "%Y-%m-%d %H:%i:%s", "+00:00"),
}
"""Where the text that the server makes isn't that of `literals.canonical`."""

_UNSPELLED: Final[Mapping[Kind, str]] = {
    "boolean": "{0} NOT IN (0, 1)",
    "time": f"{{0}} NOT BETWEEN '00:00:00' AND {_LAST_TIME}",
    "date": f"{{0}} < {_FIRST}",
    "timestamp": f"{{0}} < {_FIRST}",
    "timestamptz": f"{{0}} < {_FIRST}",
}
"""Values that only these servers have."""

_FROM_TEXT: Final[Mapping[Kind, Callable[[ColumnType, Sql], Cast]]] = {
    "int16": _text_to_integer,
    "int32": _text_to_integer,
    "int64": _text_to_integer,
    "decimal": _text_to_decimal,
    "boolean": _text_to_boolean,
    "uuid": _text_to_uuid,
    "date": _text_to_date,
    "time": _text_to_time,
    "timestamp": _text_to_timestamp,
    "timestamptz": _text_to_timestamptz,
}
