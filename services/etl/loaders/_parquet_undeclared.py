"""Columns of a Parquet file that nobody declared, as JSON values."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders import _parquet_types, _undeclared
from services.etl.loaders._cells import NUL
from services.etl.pipeline.casting import BadCell, blank, decimal_text, display, rows_where
from services.etl.pipeline.json_paths import dumps, holds_nul

_YEAR: Final = r"^(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-"
"""How dates of the years 1 to 9999 begin, which all that read JSON can have."""


def values(name: str, array: Any) -> tuple[Any, list[BadCell]]:
    """A column as JSON texts, and the cells that JSON has no value for.

    Numbers, true and false are themselves; all else is a text: dates and times of ISO 8601, moments in UTC,
    bytes in base64, NaN and the infinities. Structs, lists and maps are objects and lists of such values.
    """
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if _parquet_types.is_text(array.type):
        return _undeclared.strings(name, array)
    if pa.types.is_date(array.type) or pa.types.is_timestamp(array.type):
        return _dated(name, array)
    for matches, spell in _SPELLINGS:
        if matches(array.type):
            return spell(array), []
    return _one_by_one(name, array)


def _quoted(texts: Any) -> Any:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _numbers(array: Any) -> Any:
    texts = pc.cast(array, pa.string())
    if pc.all(pc.is_finite(array)).as_py() is not False:
        return texts
    named = texts
    for spelled, name in (("nan", "NaN"), ("inf", "Infinity"), ("-inf", "-Infinity")):
        named = pc.if_else(pc.equal(texts, spelled), name, named)
    return pc.if_else(pc.is_finite(array), texts, _quoted(named))


def _clock(array: Any) -> Any:
    return _quoted(pc.cast(array, pa.string()))


def _dated(name: str, array: Any) -> tuple[Any, list[BadCell]]:
    zoned = pa.types.is_timestamp(array.type) and array.type.tz is not None
    plain = array.view(pa.timestamp(array.type.unit)) if zoned else array
    texts = pc.cast(plain, pa.string())
    beyond = rows_where(pc.invert(pc.match_substring_regex(texts, _YEAR)))
    reason = _undeclared.of_column(name, _parquet_types.BEYOND)
    bad = [BadCell(row, display(array[row]), "not_json", reason) for row in beyond]
    texts = pc.replace_substring(blank(texts, beyond) if beyond else texts, " ", "T")
    return pc.binary_join_element_wise('"', texts, 'Z"' if zoned else '"', ""), bad


def _one_by_one(name: str, array: Any) -> tuple[Any, list[BadCell]]:
    texts, bad = list[str | None](), list[BadCell]()
    for row, scalar in enumerate(array):
        text, fault = _text(scalar) if scalar.is_valid else (None, None)
        if fault is not None:
            bad.append(BadCell(row, display(scalar), fault[0], _undeclared.of_column(name, fault[1])))
        texts.append(text)
    return pa.array(texts, pa.string()), bad


def _text(scalar: Any) -> tuple[str | None, tuple[str, str] | None]:
    """A value as JSON, or why it has none."""
    try:
        text = dumps(_parquet_types.tree(scalar))
    except _parquet_types.Unspeakable as error:
        return None, ("not_json", str(error))
    return (None, NUL) if holds_nul(text) else (text, None)


_SPELLINGS: Final[Sequence[tuple[Callable[[Any], bool], Callable[[Any], Any]]]] = (
    (
        lambda kind: pa.types.is_integer(kind) or pa.types.is_boolean(kind),
        lambda array: pc.cast(array, pa.string()),
    ),
    (pa.types.is_decimal, decimal_text),
    (pa.types.is_floating, _numbers),
    (pa.types.is_time, _clock),
)
