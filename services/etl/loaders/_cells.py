"""From cast columns to a batch: rows with a bad cell apart, as each column says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders._base import Batch
from services.etl.loaders._files import FileColumn, FileLoader
from services.etl.loaders._files_errors import ValueUnfit
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import BadCell, Cast, blank, rows_where, without
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import from_text

Raw = Callable[[Sequence[int]], list[str | None]]
"""The texts of some records of a file, by their numbers."""

Apart = tuple[RejectedRow, int | None]
"""A record that is no row, and the physical line where it starts."""

NUL: tuple[str, str] = ("nul_character", "holds a NUL character")
"""PostgreSQL keeps none (manual, 8.3), so no table gets one."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cast columns of some records, in the order of `columns_read`.

    `records` are their numbers (NumPy int64) and `lines` where they start, 0 where there are no lines.
    """

    casts: Sequence[Cast]
    records: Any
    lines: Any


def batch_of(
    loader: FileLoader,
    cells: Cells,
    *,
    apart: Sequence[Apart] = (),
    filtered: int = 0,
    raw: Raw | None = None,
) -> Batch:
    """A batch of the rows without a bad cell; the others, and those `apart`, are rejected.

    Raises ValueUnfit for a bad cell of a column that ends the run.
    """
    bad = dict[int, tuple[FileColumn, BadCell]]()
    for column, cast in zip(loader.columns_read, cells.casts, strict=True):
        for cell in _counted(column, cast, cells):
            bad.setdefault(cell.row, (column, cell))
    schema = pa.schema([pa.field(column.name, arrow_type(column.type)) for column in loader.columns_read])
    rows = pa.RecordBatch.from_arrays([cast.array for cast in cells.casts], schema=schema)
    records, lines = cells.records, cells.lines
    rejected = [*apart, *(_rejected(cells, *found) for found in bad.values())]
    rejected.sort(key=lambda found: found[0].record)
    if raw is not None:
        rejected = _with_raw(rejected, raw)
    if bad:
        rows, kept = without(rows, bad)
        records, lines = records[kept], lines[kept]
    return Batch(
        rows=rows,
        records=records,
        lines=lines,
        rows_read=len(cells.records) + len(apart) + filtered,
        rejected=[row for row, _ in rejected],
        rejected_lines=[line for _, line in rejected],
        filtered=filtered,
        raw=raw,
    )


def _with_raw(rejected: Sequence[Apart], raw: Raw) -> list[Apart]:
    texts = raw([row.record for row, _ in rejected if row.raw is None])
    given = iter(texts)
    return [(row if row.raw is not None else replace(row, raw=next(given)), line) for row, line in rejected]


def from_clean_text(array: Any, column: FileColumn, form: TextForm) -> Cast:
    """Cast a column of strings that may hold NUL characters; those cells are bad."""
    nul = rows_where(pc.match_substring(array, "\x00"))
    cast = from_text(blank(array, nul) if nul else array, column.type, form)
    cast.bad = [BadCell(row, array[row].as_py(), *NUL) for row in nul] + cast.bad
    return cast


def _counted(column: FileColumn, cast: Cast, cells: Cells) -> list[BadCell]:
    """The cells that cost their rows."""
    if not column.nullable and cast.array.null_count > len({cell.row for cell in cast.bad}):
        cast.add_nulls("null_not_allowed", "is NULL, which the column may not be")
    if column.on_error == "null":
        return []
    if column.on_error == "fail" and cast.bad:
        first = min(cast.bad, key=lambda cell: cell.row)
        line = int(cells.lines[first.row])
        raise ValueUnfit(
            record=int(cells.records[first.row]),
            place=f" (line {line})" if line else "",
            column=column.name,
            reason=first.reason,
        )
    return cast.bad


def _rejected(cells: Cells, column: FileColumn, cell: BadCell) -> Apart:
    record, line = int(cells.records[cell.row]), int(cells.lines[cell.row])
    row = RejectedRow(record, column.name, cell.value, str(column.type), cell.code, cell.reason)
    return row, line or None
