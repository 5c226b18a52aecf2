"""Casts between the texts and numbers that stand for our values in an SQLite file.

SQLite's own CAST takes what looks like a value from the front of a text and drops the rest, so the cast is a
function of ours: the same one says which values it takes and makes the others.
"""

import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Final

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind
from services.etl.tables.literals import LiteralUnfit, canonical

CAST: Final = "_penstock_cast"
CASTS: Final = "_penstock_casts"
Stored = int | float | str | bytes | None

_AS_IS: Final[frozenset[Kind]] = frozenset({"text", "varchar", "float32", "float64"})
_FLOATS: Final[frozenset[Kind]] = frozenset({"float32", "float64"})
_NUMBERS: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal"})
_DATE: Final = r"\d{4}-\d\d-\d\d"
_TIME: Final = r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_SPELLINGS: Final[Mapping[Kind, re.Pattern[str]]] = {
    "date": re.compile(rf"{_DATE}\Z", re.ASCII),
    "time": re.compile(rf"{_TIME}\Z", re.ASCII),
    "timestamp": re.compile(rf"{_DATE}([ T]{_TIME})?\Z", re.ASCII),
    "timestamptz": re.compile(rf"{_DATE}[ T]{_TIME}(Z|[+-]\d\d(:?\d\d)?)\Z", re.ASCII),
}
"""Narrower than `literals`: a seventh digit would be cut off, and other databases don't read week dates."""


def register(connection: sqlite3.Connection) -> None:
    """Make the functions of `cast` and `fits` known on this connection."""
    connection.create_function(CAST, 4, _cast, deterministic=True)
    connection.create_function(CASTS, 4, _casts, deterministic=True)


def cast(column: str, before: ColumnType, after: ColumnType) -> str:
    """The expression of a quoted column's values as those of another type."""
    return column if _is_kept(before, after) else _call(CAST, column, before, after)


def fits(column: str, before: ColumnType, after: ColumnType) -> str:
    """The condition that a value of a quoted column can be cast exactly; it is never NULL or an error."""
    if not _is_kept(before, after):
        return _call(CASTS, column, before, after)
    if after.is_integer:
        low, high = INTEGER_RANGES[after.kind]
        return f"typeof({column}) = 'integer' AND {column} BETWEEN {low} AND {high}"
    if not after.is_text:
        classes = "'blob'" if after.kind == "bytes" else "'integer', 'real'"
        return f"typeof({column}) IN ({classes})"
    whole = f"typeof({column}) = 'text' AND instr({column}, char(0)) = 0"
    return whole if after.length is None else f"{whole} AND length({column}) <= {after.length}"


def stored(kind: ColumnType, text: str) -> str:
    """The text that stands for a canonical value: times have microseconds, so that they sort as text."""
    if kind.kind == "time":
        return time.fromisoformat(text).isoformat(timespec="microseconds")
    if kind.kind in {"timestamp", "timestamptz"}:
        found = datetime.fromisoformat(text).replace(tzinfo=None)
        zone = "Z" if kind.kind == "timestamptz" else ""
        return found.isoformat(sep=" ", timespec="microseconds") + zone
    return text


def converted(held: str, value: bytes, before: ColumnType, after: ColumnType) -> Stored:
    """A stored value as it is stored in a column of another type.

    `held` is SQLite's class of it (`integer`, `text`, ...), `value` its text. Raises LiteralUnfit for one
    that isn't of the type `before` or has no exact equal in `after`.
    """
    text = _moved(_read(held, value, before), before, after)
    wanted = canonical(after, text)
    if after.kind == "boolean":
        return int(wanted == "true")
    if after.kind in _FLOATS:
        return float(wanted)
    return int(wanted) if after.is_integer else stored(after, wanted)


def _is_kept(before: ColumnType, after: ColumnType) -> bool:
    """Whether the stored values are the same for both types."""
    both = {before.kind, after.kind}
    return both <= _AS_IS or both == {"bytes"} or (before.is_integer and after.is_integer)


def _call(function: str, column: str, before: ColumnType, after: ColumnType) -> str:
    """As a BLOB the value comes unread: texts that aren't UTF-8 would fail on their way to Python."""
    return f"{function}(typeof({column}), CAST({column} AS BLOB), '{before}', '{after}')"


def _cast(held: str, value: bytes | None, before: str, after: str) -> Stored:
    if value is None or held == "null":
        return None
    return converted(held, value, _parsed(before), _parsed(after))


@lru_cache(maxsize=256)
def _parsed(text: str) -> ColumnType:
    """It is asked for with every row."""
    return ColumnType.parse(text)


def _casts(held: str, value: bytes | None, before: str, after: str) -> int:
    try:
        _cast(held, value, before, after)
    except LiteralUnfit:
        return 0
    return 1


def _read(held: str, value: bytes, kind: ColumnType) -> str:
    """The canonical text of a value of a type."""
    numeric = kind.is_integer or kind.kind == "boolean"
    if held != ("integer" if numeric else "text"):
        raise LiteralUnfit(f"a value of {kind}")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise LiteralUnfit("a text in UTF-8") from None
    if kind.kind == "boolean":
        text = {"0": "false", "1": "true"}.get(text, text)
    return canonical(kind, text)


def _moved(text: str, before: ColumnType, after: ColumnType) -> str:
    if before.kind in _NUMBERS and after.is_integer:
        number = Decimal(text)
        if number != number.to_integral_value():
            raise LiteralUnfit("a whole number")
        return str(int(number))
    if before.is_text and after.kind in _SPELLINGS and not _SPELLINGS[after.kind].match(text):
        raise LiteralUnfit(f"a {after} in its usual spelling, with at most six digits of a second")
    move = _MOVES.get((before.kind, after.kind))
    return move(text) if move else text


def _to_number(text: str) -> str:
    return "1" if text == "true" else "0"


def _to_date(text: str) -> str:
    found = datetime.fromisoformat(text)
    if found.time() != time():
        raise LiteralUnfit("a time at midnight")
    return found.date().isoformat()


def _to_timestamp(text: str) -> str:
    return datetime.combine(date.fromisoformat(text), time()).isoformat(sep=" ")


def _with_zone(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat(sep=" ")


def _without_zone(text: str) -> str:
    return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(sep=" ")


_MOVES: Final[Mapping[tuple[Kind, Kind], Callable[[str], str]]] = {
    ("boolean", "int16"): _to_number,
    ("boolean", "int32"): _to_number,
    ("boolean", "int64"): _to_number,
    ("timestamp", "date"): _to_date,
    ("date", "timestamp"): _to_timestamp,
    ("timestamp", "timestamptz"): _with_zone,
    ("timestamptz", "timestamp"): _without_zone,
}
