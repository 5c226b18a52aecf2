"""Literal values in parameters: JSON in, a Python value of a column's type out."""

import binascii
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from services.etl.columns import INTEGER_RANGES, ColumnType, Kind
from shared.errors import Invalid, Loc

Literal = StrictBool | StrictInt | StrictFloat | Annotated[str, Field(max_length=10_000)]
"""A value as JSON writes it: decimals that must be exact, dates and times as strings."""

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,50}(?:\.[0-9]{1,50})?")


class LiteralInvalid(Invalid):
    """This value is no {type}: {reason}."""


def literal(value: Literal, target: ColumnType, *, loc: Loc = ()) -> Any:
    """The value as `target` has it: int, Decimal, datetime, ... Raises LiteralInvalid at `loc`."""
    try:
        return _READ[target.kind](value, target)
    except (ValueError, InvalidOperation, binascii.Error) as error:
        reason = str(error) if type(error) is _Unfit else f"write it like {_EXAMPLES[target.kind]}"
        raise LiteralInvalid(loc=loc, type=str(target), reason=reason) from None


class _Unfit(ValueError):
    pass


def _text(value: Literal, target: ColumnType) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    if target.length is not None and len(value) > target.length:
        raise _Unfit(f"it is longer than {target.length} characters")
    return value


def _boolean(value: Literal, _target: ColumnType) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004  all kinds of unfit literals are one error
    return value


def _integer(value: Literal, target: ColumnType) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError  # noqa: TRY004  as above
    low, high = INTEGER_RANGES[target.kind]
    if not low <= value <= high:
        raise _Unfit(f"it is not between {low} and {high}")
    return value


def _decimal(value: Literal, target: ColumnType) -> Decimal:
    text = str(value)
    if isinstance(value, bool) or not _DECIMAL.fullmatch(text):
        raise ValueError
    scale, precision = target.scale or 0, target.precision or 0
    whole, _, fraction = text.lstrip("+-").partition(".")
    if len(fraction.rstrip("0")) > scale or len(whole.lstrip("0")) > precision - scale:
        raise _Unfit(f"it has more digits than {target}")
    return Decimal(text)


def _float(value: Literal, _target: ColumnType) -> float:
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _date(value: Literal, _target: ColumnType) -> date:
    return datetime.strptime(_string(value), "%Y-%m-%d").date()  # noqa: DTZ007  a date has no zone


def _time(value: Literal, _target: ColumnType) -> time:
    found = time.fromisoformat(_string(value))
    if found.tzinfo is not None:
        raise _Unfit("a time of day has no zone here")
    return found


def _timestamp(value: Literal, _target: ColumnType) -> datetime:
    found = datetime.fromisoformat(_string(value))
    if found.tzinfo is not None:
        raise _Unfit("the column has no time zone")
    return found


def _timestamptz(value: Literal, _target: ColumnType) -> datetime:
    found = datetime.fromisoformat(_string(value))
    if found.tzinfo is None:
        raise _Unfit("it lacks a time zone")
    return found.astimezone(UTC)


def _uuid(value: Literal, _target: ColumnType) -> str:
    return str(UUID(_string(value)))


def _bytes(value: Literal, _target: ColumnType) -> bytes:
    return bytes.fromhex(_string(value))


def _string(value: Literal) -> str:
    if not isinstance(value, str):
        raise ValueError  # noqa: TRY004  as above
    return value


_READ: Final[Mapping[Kind, Callable[[Literal, ColumnType], Any]]] = {
    "text": _text,
    "varchar": _text,
    "json": _text,
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
    "uuid": _uuid,
    "bytes": _bytes,
}
_EXAMPLES: Final[Mapping[Kind, str]] = {
    "text": '"text"',
    "varchar": '"text"',
    "json": '"{}"',
    "boolean": "true",
    "int16": "12",
    "int32": "12",
    "int64": "12",
    "decimal": '"12.50"',
    "float32": "1.5",
    "float64": "1.5",
    "date": '"2026-01-31"',
    "time": '"12:30:00"',
    "timestamp": '"2026-01-31T12:30:00"',
    "timestamptz": '"2026-01-31T12:30:00Z"',
    "uuid": '"018f0000-0000-7000-8000-000000000000"',
    "bytes": '"00ff"',
}
