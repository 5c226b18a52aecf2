r"""Arrow batches as the text that LOAD DATA reads (MySQL manual, 15.2.9, "Field and Line Handling").

Fields end with a tab, rows with a newline; a backslash before one of the three makes it part of a value, and
`\N` is NULL. The statement names these signs itself, as an sql_mode changes what they are without that.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline import column_bytes
from services.etl.pipeline.casting import decimal_text

_ESCAPES: Final = (("\\", "\\\\"), ("\t", "\\\t"), ("\n", "\\\n"))
"""The backslash first: it is in all the others."""

_PART_BYTES: Final = 32 * 1024 * 1024
"""Bytes of a batch that become text at once: a column of strings in Arrow has a bound of 2 GB."""

_DIGITS: Final = np.frombuffer("".join(f"{byte:02X}" for byte in range(256)).encode(), np.uint16)


def lines(batch: Any) -> Iterator[memoryview]:
    """The rows as lines, in parts that end with a row."""
    parts = batch.nbytes // _PART_BYTES + 1
    at_once = max(len(batch) // parts, 1)
    for start in range(0, len(batch), at_once):
        yield column_bytes.content(_joined(batch.slice(start, at_once)))


def _joined(batch: Any) -> Any:
    *fields, last = (field(column) for column in batch.columns)
    nulls = {"null_handling": "replace", "null_replacement": "\\N"}
    ended = pc.binary_join_element_wise(last, "", "\n", **nulls)
    return pc.binary_join_element_wise(*fields, ended, "\t", **nulls) if fields else ended


def field(array: Any) -> Any:
    """A column as texts that the server reads exactly; bytes are hexadecimal digits, NULL stays NULL."""
    kind = array.type
    if pa.types.is_string(kind):
        return column_bytes.replaced(array, _ESCAPES)
    if pa.types.is_boolean(kind):
        return pc.if_else(array, "1", "0")
    if pa.types.is_decimal(kind):
        return decimal_text(array)
    if pa.types.is_binary(kind):
        return hexadecimal(array)
    if pa.types.is_timestamp(kind):
        return _clock_text(plain(array))
    return pc.cast(plain(array), pa.string())


def _clock_text(array: Any) -> Any:
    """Times without fractions take fewer bytes, of which the server makes as much: it reads each of them."""
    try:
        return pc.cast(pc.cast(array, pa.timestamp("s")), pa.string())
    except pa.ArrowInvalid:
        return pc.cast(array, pa.string())


def plain(array: Any) -> Any:
    """Moments as wall clock times in UTC, single floats as the doubles that they are exactly."""
    if pa.types.is_timestamp(array.type):
        return pc.cast(array, pa.timestamp("us"))
    return pc.cast(array, pa.float64()) if pa.types.is_float32(array.type) else array


def hexadecimal(array: Any) -> Any:
    """Bytes as two digits each, without an object for any of them."""
    digits = _DIGITS[np.frombuffer(column_bytes.content(array), np.uint8)]
    starts = column_bytes.places(array) * np.int32(2)
    made = pa.StringArray.from_buffers(len(array), pa.py_buffer(starts), pa.py_buffer(digits))
    return pc.if_else(pc.is_valid(array), made, pa.scalar(None, pa.string()))
