"""Rows of MySQL's text protocol, straight from its packets to Arrow (MySQL internals, "Text Resultset Row").

A driver makes an object of every cell. Here only the packets are walked one by one; the cells of a column
are found for all rows at once, and stay where they are: Arrow's views point at them.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER: Final = 4
LONGEST: Final = 0xFFFFFF
"""A packet of this length goes on in the next one."""

_NULL: Final = 0xFB
_EOF: Final = 0xFE
_ERROR: Final = 0xFF
_EOF_LENGTH: Final = 9
_INLINE: Final = 12
_PADDING: Final = bytes(16)
_SIZES: Final = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes of a length that doesn't fit into one, by the byte before it."""


class RowTooLong(ValueError):
    """A row of 16 MiB or more."""


class Walk:
    """Whole packets of rows out of bytes that come piece by piece.

    `ending` is the packet after the last row, once it has come: its content without the header.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._starts: list[int] = []
        self.size = 0
        self.ending: bytes | None = None

    def feed(self, data: bytes) -> None:
        """Find the packets that are whole now. Raises RowTooLong."""
        held, add = self._held, self._starts.append
        held += data
        at, end = self.size, len(held)
        while at + HEADER < end:
            size = held[at] | held[at + 1] << 8 | held[at + 2] << 16
            first, after = held[at + HEADER], at + HEADER + size
            if size == LONGEST:
                raise RowTooLong
            if after > end:
                break
            if first == _ERROR or (first == _EOF and size < _EOF_LENGTH):
                self.ending = bytes(held[at + HEADER : after])
                break
            add(at + HEADER)
            at = after
        self.size = at

    def take(self) -> tuple[bytes, list[int]]:
        """The rows that are whole, and where in them each one begins."""
        data, starts = bytes(self._held[: self.size]), self._starts
        del self._held[: self.size]
        self.size, self._starts = 0, []
        return data, starts


def is_error(packet: bytes) -> bool:
    """Whether the packet that ended the rows says what went wrong."""
    return packet[0] == _ERROR


def error_number(packet: bytes) -> int:
    """The server's number of an error."""
    return packet[1] | packet[2] << 8


def columns(data: bytes, starts: Sequence[int], count: int) -> list[Any]:
    """The cells of rows that begin at `starts`, as `count` binary Arrow arrays."""
    padded = data + _PADDING
    content = np.frombuffer(padded, np.uint8)
    places = np.array(starts, np.int64)
    found = []
    for _ in range(count):
        array, places = _column(padded, content, places)
        found.append(array)
    return found


def _column(padded: bytes, content: Any, places: Any) -> tuple[Any, Any]:
    """One column, and where the next one begins in each row."""
    lead = content[places]
    sizes, begins = lead.astype(np.int64), places + 1
    missing = lead == _NULL
    sizes[missing] = 0
    for mark, width in _SIZES.items():
        rows = np.flatnonzero(lead == mark)
        if len(rows):
            at = places[rows] + 1
            sizes[rows] = sum(content[at + byte].astype(np.int64) << (8 * byte) for byte in range(width))
            begins[rows] = at + width
    return _views(padded, content, begins, sizes=sizes, missing=missing), begins + sizes


def _views(padded: bytes, content: Any, begins: Any, *, sizes: Any, missing: Any) -> Any:
    """A binary array of slices (Arrow columnar format, "Variable-size Binary View Layout")."""
    rows = len(begins)
    view = np.zeros((rows, 16), np.uint8)
    numbers = view.view("<i4")
    numbers[:, 0] = sizes
    heads = content[begins[:, None] + np.arange(_INLINE)]
    heads[np.arange(_INLINE) >= np.minimum(sizes, _INLINE)[:, None]] = 0
    view[:, 4:16] = heads
    outside = sizes > _INLINE
    numbers[outside, 2] = 0
    numbers[outside, 3] = begins[outside]
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    buffers = [valid, pa.py_buffer(view), pa.py_buffer(padded)]
    return pc.cast(pa.Array.from_buffers(pa.binary_view(), rows, buffers), pa.binary())
