"""Texts of decimals as Arrow reads them rightly.

Arrow's parser holds 128 bits and looks at no overflow: 2**128 becomes 0, 1e-44 becomes 0.00000, and an
exponent of minus a billion ends the process. So no text with an exponent, or of more characters than a
decimal has digits, ever reaches it: its value is worked out here.
"""

import re
from decimal import Context, Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType
from services.etl.pipeline import column_bytes
from services.etl.pipeline.casting import rows_where

_DIGITS: Final = 38
_SHAPE: Final = re.compile(r"([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]{1,9}))?")
_EXACT: Final = Context(prec=2 * _DIGITS)


def readable(array: Any, target: ColumnType) -> tuple[Any, list[int]]:
    """A column of decimals as texts that Arrow reads exactly, and the rows that don't fit the target."""
    odd = _odd_rows(array)
    if not odd:
        return array, []
    found = {row: _plain(array[row].as_py(), target) for row in odd}
    mask = pa.array([row in found for row in range(len(array))])
    put = pa.array([found[row] for row in odd], array.type)
    return pc.replace_with_mask(array, mask, put), [row for row in odd if found[row] is None]


def _odd_rows(array: Any) -> list[int]:
    longest = pc.max(pc.binary_length(array)).as_py() or 0
    if longest <= _DIGITS and not column_bytes.holds_any(array, b"eE"):
        return []
    long = pc.greater(pc.binary_length(array), _DIGITS)
    return rows_where(pc.or_(long, pc.match_substring(array, "e", ignore_case=True)))


def _plain(text: str, target: ColumnType) -> str | None:
    """The value without an exponent, in no more digits than the target has; None where it doesn't fit."""
    found = _SHAPE.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    digits = (found[2] + found[3]).lstrip("0")
    exponent = int(found[4] or 0) - len(found[3]) + len(digits)
    digits = digits.rstrip("0")
    exponent -= len(digits)
    if not digits:
        return "0"
    precision, scale = target.precision or _DIGITS, target.scale or 0
    if -exponent > scale or len(digits) + exponent > precision - scale:
        return None
    return format(Decimal(f"{found[1]}{digits}E{exponent}").normalize(_EXACT), "f")
