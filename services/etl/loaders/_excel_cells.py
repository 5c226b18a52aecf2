"""Places in a sheet, and values of its cells as text. Plain Python."""

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.etl.columns import TEXT, ColumnType
from services.etl.pipeline.json_paths import Number

MAX_ROWS: Final = 1 << 20
MAX_COLUMNS: Final = 1 << 14
"""What a sheet has (Excel specifications and limits)."""

Value = int | float | str | bool | dt.date | dt.time | dt.timedelta
"""A cell as calamine gives it; an empty one is an empty text."""

_DIGITS: Final = 15
_PLACE: Final = re.compile(r"([A-Z]+)([0-9]*)")


@dataclass(frozen=True, slots=True)
class Area:
    """Rows and columns, counted from 0, both ends with it."""

    first_row: int = 0
    first_column: int = 0
    last_row: int = MAX_ROWS - 1
    last_column: int = MAX_COLUMNS - 1


def area_of(cells: str | None) -> Area:
    """The area of a spelling like B3:F200; the whole sheet without one."""
    if cells is None:
        return Area()
    first, _, last = cells.partition(":")
    row, column = place_of(first)
    end = place_of(last) if last else (None, None)
    whole = Area()
    return Area(
        first_row=row or 0,
        first_column=column or 0,
        last_row=whole.last_row if end[0] is None else end[0],
        last_column=whole.last_column if end[1] is None else end[1],
    )


def place_of(name: str) -> tuple[int | None, int]:
    """Row and column of a name like B3, counted from 0; B alone has no row."""
    found = _PLACE.fullmatch(name)
    assert found is not None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return (int(found[2]) - 1 if found[2] else None), column - 1


def spelled(value: Value, kind: ColumnType) -> str | None:
    """A value as text for a column of a type; None for an empty cell."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else _number(float(value), kind)
    if isinstance(value, dt.timedelta):
        return _duration(value)
    if isinstance(value, dt.datetime) and kind.kind == "date" and value.time() == dt.time():
        return value.date().isoformat()
    return value.isoformat()


def as_json(value: Value) -> str | bool | None:
    """A value as JSON has it, spelled as in a text column: a number, true or false, or a text."""
    if isinstance(value, bool):
        return value
    text = spelled(value, TEXT)
    return Number(text) if text is not None and isinstance(value, int | float) else text


def _number(value: float, kind: ColumnType) -> str:
    if kind.kind in {"float32", "float64"}:
        return repr(value)
    if value.is_integer():
        return str(int(value))
    return format(Decimal(format(value, f".{_DIGITS}g")), "f")


def _duration(value: dt.timedelta) -> str:
    seconds, rest = divmod(value, dt.timedelta(seconds=1))
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{rest.microseconds:06}" if rest else clock
