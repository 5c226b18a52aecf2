"""A look at all bytes of a column of strings at once: which cells can't be of a type, without parsing any."""

from typing import Any, Final

import numpy as np

from services.etl.columns import ColumnType
from services.etl.pipeline import column_bytes

_WHOLE: Final = b"+-0123456789"
_BROKEN: Final = _WHOLE + b".eE"
_DATE_BYTES: Final = 10
"""YYYY-MM-DD"""
_DIGITS_AT: Final = (0, 1, 2, 3, 5, 6, 8, 9)
_DASHES_AT: Final = (4, 7)
_DAYS: Final = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] + [0] * 87)
"""Days of each month of a common year; a month that there is not has none."""
_FEBRUARY: Final = 2
_DASH: Final = np.uint8(ord("-"))
_ZERO: Final = np.uint8(ord("0"))
_NINE: Final = 9


def found(array: Any, target: ColumnType) -> list[int]:
    """The rows whose values are certainly not of the type: others may not be either."""
    if not len(array):
        return []
    if target.is_number:
        rows = _with_other_signs(array, _WHOLE if target.is_integer else _BROKEN)
    elif target.kind in {"date", "timestamp", "timestamptz"}:
        rows = _without_date(array)
    else:
        return []
    return [int(row) for row in rows if array[int(row)].is_valid]


def _signs(array: Any) -> Any:
    return np.frombuffer(column_bytes.content(array), np.uint8)


def _with_other_signs(array: Any, signs: bytes) -> Any:
    held, places = _signs(array), column_bytes.places(array)
    strange = np.ones(256, dtype=bool)
    strange[list(signs)] = False
    return np.unique(np.searchsorted(places[1:], np.flatnonzero(strange[held]), "right"))


def _without_date(array: Any) -> Any:
    """Rows that don't begin with a day of the calendar, as ISO 8601 spells it."""
    held, places = _signs(array), column_bytes.places(array)
    if len(held) < _DATE_BYTES:
        return np.arange(len(array))
    short = np.diff(places) < _DATE_BYTES
    starts = np.where(short, 0, places[:-1])
    dashed = [held[starts + at] == _DASH for at in _DASHES_AT]
    digits = [held[starts + at] - _ZERO for at in _DIGITS_AT]
    shapeless = short | ~np.logical_and.reduce(dashed) | (np.maximum.reduce(digits) > _NINE)
    wide = [digit.astype(np.int32) for digit in digits]
    year = wide[0] * 1000 + wide[1] * 100 + wide[2] * 10 + wide[3]
    month = np.where(shapeless, 0, wide[4] * 10 + wide[5])
    day = wide[6] * 10 + wide[7]
    leap = (month == _FEBRUARY) & (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return np.flatnonzero(shapeless | (day < 1) | (day > _DAYS[month] + leap))
