"""Which record and which physical line of the file each parsed row is."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from services.etl.pipeline import column_bytes


@dataclass(frozen=True, slots=True)
class RaggedRow:
    """A row that the parser left out because it has another number of fields."""

    row: int
    fields: int
    text: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """Row numbers (from 1) and physical lines of a batch, and the ragged rows that lay between its rows."""

    rows: Any
    lines: Any
    ragged: list[tuple[RaggedRow, int]]


class Numbering:
    """Counts rows and lines across batches. Needs a parser that runs in one thread."""

    def __init__(self) -> None:
        self._next_row = 1
        self._next_line = 1
        self._last_line = 1
        self._ragged: deque[RaggedRow] = deque()

    @property
    def line(self) -> int:
        """The line after what was numbered so far."""
        return self._next_line

    @property
    def last_line(self) -> int:
        """The line where the last row that was numbered starts."""
        return self._last_line

    def begin(self, line: int) -> None:
        """The first row begins on this line."""
        self._next_line = self._last_line = line

    def left_out(self, row: RaggedRow) -> None:
        """The parser skipped this row."""
        self._ragged.append(row)

    def number(self, batch: Any) -> Numbered:
        """Number the rows of the next batch (binary columns)."""
        end, between = self._next_row + len(batch), list[RaggedRow]()
        while self._ragged and self._ragged[0].row < end:
            between.append(self._ragged.popleft())
            end += 1
        heights = np.ones(end - self._next_row, dtype=np.int64)
        kept = np.ones(len(heights), dtype=bool)
        for row in between:
            kept[row.row - self._next_row] = False
            heights[row.row - self._next_row] += _newlines(row.text)
        heights[kept] += embedded_newlines(batch)
        ends = self._next_line + np.cumsum(heights)
        lines = ends - heights
        rows = np.arange(self._next_row, end, dtype=np.int64)
        ragged = [(row, int(lines[row.row - self._next_row])) for row in between]
        if len(ends):
            self._last_line, self._next_line = int(lines[-1]), int(ends[-1])
        self._next_row = end
        return Numbered(rows[kept], lines[kept], ragged)


def embedded_newlines(batch: Any) -> Any:
    """For each row, how many line ends lie inside its values."""
    total = np.zeros(len(batch), dtype=np.int64)
    for column in batch.columns:
        if column_bytes.holds_any(column, b"\n\r"):
            counts = pc.count_substring_regex(column, r"\r\n|\r|\n")
            total += pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    return total


def _newlines(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")
