"""Default values: does a text stand for a value of a type, and which one."""

import json
import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind

_INTEGER = re.compile(r"[+-]?\d{1,30}\Z", re.ASCII)
_DECIMAL = re.compile(r"([+-]?)(\d{1,100})(?:\.(\d{1,100}))?\Z", re.ASCII)
_FLOAT = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?\Z", re.ASCII)
_FINER = re.compile(r"[.,]\d{7}", re.ASCII)
_FINITE: Final = {"float32": 3.4028234e38, "float64": 1.7976931348623157e308}


class LiteralUnfit(ValueError):
    """The text stands for no value of the type; the message says what is wanted."""


def canonical(kind: ColumnType, text: str) -> str:
    """The value in the one spelling that we give to databases. Raises LiteralUnfit."""
    if "\x00" in text:
        raise LiteralUnfit("a text without NUL characters")
    return _READERS[kind.kind](kind, text)


def same(kind: ColumnType, one: str, other: str) -> bool:
    """Whether two texts stand for the same value of the type."""
    if one == other:
        return True
    try:
        spelled = canonical(kind, one), canonical(kind, other)
    except LiteralUnfit:
        return False
    if kind.kind == "json":
        return _exact(spelled[0]) == _exact(spelled[1])
    if kind.kind == "float32":
        return struct.pack("f", float(spelled[0])) == struct.pack("f", float(spelled[1]))
    return spelled[0] == spelled[1]


def _exact(text: str) -> object:
    """A JSON value that compares as such: true isn't 1, 1e2 is 100, and no number loses a digit."""
    return json.loads(text, parse_float=_number, parse_int=_number)


def _number(text: str) -> tuple[str, Decimal]:
    return ("number", Decimal(text))


def _text(kind: ColumnType, text: str) -> str:
    if kind.length is not None and len(text) > kind.length:
        raise LiteralUnfit(f"at most {kind.length} characters")
    return text


def _boolean(_: ColumnType, text: str) -> str:
    if text not in {"true", "false"}:
        raise LiteralUnfit("true or false")
    return text


def _integer(kind: ColumnType, text: str) -> str:
    low, high = INTEGER_RANGES[kind.kind]
    if not _INTEGER.match(text) or not low <= int(text) <= high:
        raise LiteralUnfit(f"a whole number from {low} to {high}")
    return str(int(text))


def _decimal(kind: ColumnType, text: str) -> str:
    assert kind.precision is not None
    assert kind.scale is not None
    before = kind.precision - kind.scale
    wanted = f"a number with at most {before} digits before and {kind.scale} after the point"
    spelled = _DECIMAL.match(text)
    if spelled is None:
        raise LiteralUnfit(wanted)
    sign, whole, fraction = spelled.groups(default="")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    if len(whole) > before or len(fraction) > kind.scale:
        raise LiteralUnfit(wanted)
    number = (whole or "0") + (f".{fraction.ljust(kind.scale, '0')}" if kind.scale else "")
    return f"-{number}" if sign == "-" and (whole or fraction) else number


def _float(kind: ColumnType, text: str) -> str:
    if not _FLOAT.match(text) or abs(float(text)) > _FINITE[kind.kind]:
        raise LiteralUnfit("a finite number such as 1.5 or 2e10")
    return repr(float(text))


def _date(_: ColumnType, text: str) -> str:
    return _iso(lambda: date.fromisoformat(text).isoformat(), "a date such as 2026-01-31")


def _time(_: ColumnType, text: str) -> str:
    wanted = "a time without zone such as 13:45:00"
    _require_microseconds(text)
    found = time.fromisoformat(_iso(lambda: time.fromisoformat(text).isoformat(), wanted))
    if found.tzinfo is not None:
        raise LiteralUnfit(wanted)
    return found.isoformat()


def _timestamp(_: ColumnType, text: str) -> str:
    found = _moment(text, "a date and time without zone such as 2026-01-31 13:45:00")
    if found.tzinfo is not None:
        raise LiteralUnfit("a date and time without zone such as 2026-01-31 13:45:00")
    return found.isoformat(sep=" ")


def _timestamptz(_: ColumnType, text: str) -> str:
    wanted = "a date and time with zone such as 2026-01-31T13:45:00Z"
    found = _moment(text, wanted)
    if found.tzinfo is None:
        raise LiteralUnfit(wanted)
    return _iso(lambda: found.astimezone(UTC).isoformat(sep=" "), wanted)


def _moment(text: str, wanted: str) -> datetime:
    _require_microseconds(text)
    _iso(lambda: datetime.fromisoformat(text).isoformat(), wanted)
    return datetime.fromisoformat(text)


def _require_microseconds(text: str) -> None:
    """Further digits would be cut off without a word."""
    if _FINER.search(text):
        raise LiteralUnfit("a time with at most six digits after the second")


def _iso(read: Callable[[], str], wanted: str) -> str:
    try:
        return read()
    except (ValueError, OverflowError):
        raise LiteralUnfit(wanted) from None


def _json(_: ColumnType, text: str) -> str:
    """The text as it is: reading and writing it again could change its numbers."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        spelled = json.dumps(value, ensure_ascii=False, allow_nan=False)
        spelled.encode()
    except (ValueError, RecursionError):
        raise LiteralUnfit("a JSON value") from None
    if "\\u0000" in spelled:
        raise LiteralUnfit("a JSON value without NUL characters")
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _uuid(_: ColumnType, text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise LiteralUnfit("a UUID") from None


def _bytes(_: ColumnType, text: str) -> str:
    try:
        return bytes.fromhex(text).hex()
    except ValueError:
        raise LiteralUnfit("bytes in hexadecimal digits") from None


_READERS: Final[Mapping[Kind, Callable[[ColumnType, str], str]]] = {
    "text": _text,
    "varchar": _text,
    "boolean": _boolean,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "decimal": _decimal,
    "float32": _float,
    "float64": _float,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "json": _json,
    "uuid": _uuid,
    "bytes": _bytes,
}
