"""From raw cells to rows of the declared types, with the rows apart that don't fit."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders._base import Batch
from services.etl.loaders._csv_numbering import RaggedRow
from services.etl.loaders.csv import Csv, CsvColumn
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.casting import BadCell, Cast, blank, isolate, rows_where
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.text_casting import from_text

_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class RawBatch:
    """A parsed batch: binary columns for the file's fields, row numbers and lines, ragged rows with lines."""

    raw: Any
    rows: Any
    lines: Any
    ragged: list[tuple[RaggedRow, int]]

    def without_first(self) -> "RawBatch":
        return replace(self, raw=self.raw.slice(1), rows=self.rows[1:], lines=self.lines[1:])

    def without_last(self) -> "RawBatch":
        return replace(
            self, raw=self.raw.slice(0, len(self.raw) - 1), rows=self.rows[:-1], lines=self.lines[:-1]
        )

    def ends_with(self, token: bytes) -> bool:
        """Whether the last row is the record that was put after the file's end."""
        return len(self.raw) > 0 and all(column[-1].as_py() == token for column in self.raw.columns)


def typed(loader: Csv, batch: RawBatch, *, positions: list[int], fields: int, has_nul: bool) -> Batch:
    """Cast the declared columns of a batch; rows with a bad cell and ragged rows are rejected."""
    heading = 1 if loader.params.header else 0
    raw, rows, lines, empty = _without_empty(loader, batch)
    columns, bad = [], dict[int, tuple[CsvColumn, BadCell]]()
    for declared, position in zip(loader.params.columns, positions, strict=True):
        cast = _column(loader, declared, raw.column(position), has_nul=has_nul)
        columns.append(cast.array)
        for cell in cast.bad:
            bad.setdefault(cell.row, (declared, cell))
    made = pa.RecordBatch.from_arrays(columns, schema=arrow_schema(loader.columns_out()))
    records = rows - heading
    rejected = [
        (_rejected(int(records[row]), declared, cell), int(lines[row]))
        for row, (declared, cell) in bad.items()
    ]
    rejected += [(_ragged(row, row.row - heading, fields), line) for row, line in batch.ragged]
    rejected.sort(key=lambda found: found[0].record)
    if bad:
        kept = np.ones(len(records), dtype=bool)
        kept[list(bad)] = False
        made, records, lines = made.filter(pa.array(kept)), records[kept], lines[kept]
    return Batch(
        rows=made,
        records=records,
        lines=lines,
        rows_read=len(batch.raw) + len(batch.ragged),
        rejected=[row for row, _ in rejected],
        rejected_lines=[line for _, line in rejected],
        filtered=empty,
    )


def _without_empty(loader: Csv, batch: RawBatch) -> tuple[Any, Any, Any, int]:
    """Leave out records without a value: blank lines, and delimiters alone."""
    raw = batch.raw
    if loader.params.empty_rows == "keep" or any(column.null_count == 0 for column in raw.columns):
        return raw, batch.rows, batch.lines, 0
    empty = pc.is_null(raw.column(0))
    for column in raw.columns[1:]:
        empty = pc.and_(empty, pc.is_null(column))
    if not pc.any(empty).as_py():
        return raw, batch.rows, batch.lines, 0
    kept = pc.invert(empty)
    mask = kept.to_numpy(zero_copy_only=False)
    return raw.filter(kept), batch.rows[mask], batch.lines[mask], int(len(raw) - mask.sum())


def _column(loader: Csv, declared: CsvColumn, raw: Any, *, has_nul: bool) -> Cast:
    text, undecodable = isolate(lambda part: pc.cast(part, pa.string()), raw)
    bad = [
        BadCell(row, raw[row].as_py().decode(errors="replace"), "invalid_encoding", "is not UTF-8")
        for row in undecodable
    ]
    if has_nul:
        nul = rows_where(pc.match_substring(text, "\x00"))
        bad += [BadCell(row, text[row].as_py(), "nul_character", "holds a NUL character") for row in nul]
        text = blank(text, nul) if nul else text
    if loader.params.trim:
        text = _trimmed(text, loader.params.null_tokens)
    cast = from_text(text, declared.type, loader.form_of(declared))
    result = Cast(cast.array, bad + cast.bad)
    if not declared.nullable and cast.array.null_count > len(result.bad):
        result.add_nulls("null_not_allowed", "is NULL, which the column may not be")
    return result


def _trimmed(text: Any, null_tokens: list[str]) -> Any:
    text = pc.utf8_trim_whitespace(text)
    if not null_tokens:
        return text
    tokens = pc.is_in(text, pa.array(null_tokens, pa.string()))
    return pc.if_else(tokens, pa.scalar(None, pa.string()), text)


def _rejected(record: int, declared: CsvColumn, cell: BadCell) -> RejectedRow:
    return RejectedRow(record, declared.name, cell.value, str(declared.type), cell.code, cell.reason)


def _ragged(row: RaggedRow, record: int, fields: int) -> RejectedRow:
    return RejectedRow(
        record,
        None,
        row.text[:_SHOWN],
        f"{fields} fields",
        "ragged_row",
        f"has {row.fields} fields and not {fields}",
    )
