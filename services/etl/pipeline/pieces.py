"""What goes from step to step in Arrow form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.etl.pipeline.context import RejectedRow

Raw = Callable[[Sequence[int]], list[str | None]]
"""The texts of some records as the source has them, by their numbers; None where that isn't known."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows as a `pyarrow.RecordBatch` of declared types.

    `records` (NumPy int64) are the numbers of the records that the rows came from, over the whole run from
    1, and `lines` the physical lines where those begin, 0 where they are unknown.
    """

    rows: Any
    records: Any
    lines: Any
    raw: Raw | None = None

    def lines_of(self, records: Any) -> Any:
        """The lines of these records; 0 for those that aren't here."""
        if records is self.records:
            return self.lines
        if not len(self.records):
            return np.zeros(len(records), np.int64)
        order = np.argsort(self.records, kind="stable")
        places = np.searchsorted(self.records, records, sorter=order)
        found = order[np.minimum(places, len(order) - 1)]
        return np.where(self.records[found] == records, self.lines[found], 0)

    def told(self, rejected: Sequence[RejectedRow]) -> tuple[list[RejectedRow], list[int | None]]:
        """Rejected rows with their raw texts, as far as those are known, and their lines."""
        if not rejected:
            return [], []
        records = [row.record for row in rejected]
        raws = self.raw(records) if self.raw else [None] * len(records)
        rows = [_with_raw(row, raw) for row, raw in zip(rejected, raws, strict=True)]
        return rows, [int(line) or None for line in self.lines_of(np.array(records, np.int64))]


def _with_raw(row: RejectedRow, raw: str | None) -> RejectedRow:
    if row.raw is not None or raw is None:
        return row
    return RejectedRow(row.record, row.column, row.value, row.expected, row.code, row.reason, raw)
