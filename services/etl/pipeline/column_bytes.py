"""All bytes of a column of strings or of bytes at once, without an object for any of its values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def content(array: Any) -> memoryview:
    """The bytes of all values one after the other: a part of the array's own buffer."""
    if isinstance(array, pa.ChunkedArray):
        return memoryview(b"".join(content(chunk) for chunk in array.chunks))
    held = array.buffers()[2]
    if held is None or not len(array):
        return memoryview(b"")
    absolute = _absolute(array)
    return memoryview(held)[absolute[0] : absolute[-1]]


def places(array: Any) -> Any:
    """Where in `content` each value of an array begins, and the last one ends (NumPy int32)."""
    if not len(array):
        return np.zeros(1, np.int32)
    absolute = _absolute(array)
    return absolute - absolute[0]


def holds_any(array: Any, wanted: bytes) -> bool:
    """Whether any of these bytes is in a column."""
    held = content(array).tobytes()
    return any(bytes([byte]) in held for byte in wanted)


def replaced(array: Any, signs: Sequence[tuple[str, str]]) -> Any:
    """Texts with each of the signs replaced by what is given with it, in this order.

    No sign may be in what one before it becomes: they are looked for once, which is what makes a column
    without any of them cheap.
    """
    held = content(array).tobytes()
    for sign, by in signs:
        if sign.encode() in held:
            array = pc.replace_substring(array, sign, by)
    return array


def _absolute(array: Any) -> Any:
    """As `places`, from the beginning of the buffer, in which a slice has its part."""
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
