"""From raw cells to rows of the declared types, with the rows apart that don't fit."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders import _undeclared
from services.etl.loaders._base import Batch
from services.etl.loaders._cells import NUL, Apart, Cells, batch_of
from services.etl.loaders._csv_numbering import RaggedRow
from services.etl.loaders.csv import Csv, CsvColumn
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

    def without_first(self, rows: int) -> "RawBatch":
        return replace(self, raw=self.raw.slice(rows), rows=self.rows[rows:], lines=self.lines[rows:])

    def without_last(self) -> "RawBatch":
        return replace(
            self, raw=self.raw.slice(0, len(self.raw) - 1), rows=self.rows[:-1], lines=self.lines[:-1]
        )

    def parts(self, rows: int) -> Iterator["RawBatch"]:
        """The batch in parts of at most so many rows."""
        ragged, starts = self.ragged, range(0, max(1, len(self.raw)), rows)
        for start in starts:
            part = slice(start, start + rows)
            last = self.rows[part][-1] if start != starts[-1] else None
            here = [found for found in ragged if last is None or found[0].row < last]
            ragged = ragged[len(here) :]
            yield RawBatch(self.raw.slice(start, rows), self.rows[part], self.lines[part], here)

    def ends_with(self, token: bytes) -> bool:
        """Whether the last row is the record that was put after the file's end."""
        return len(self.raw) > 0 and all(column[-1].as_py() == token for column in self.raw.columns)


@dataclass(frozen=True, slots=True)
class Form:
    """What is known of the file: which of its fields each declared column is, and how many there are.

    `undeclared` are the positions and names of the fields that are collected.
    """

    positions: list[int]
    fields: int
    has_nul: bool
    undeclared: Sequence[tuple[int, str]] = ()


def typed(loader: Csv, batch: RawBatch, form: Form, *, apart: Sequence[Apart], comments: int) -> Batch:
    """Cast the declared columns of a batch; rows with a bad cell and ragged rows are rejected."""
    heading = loader.heading
    raw, rows, lines, empty = _without_empty(loader, batch)
    casts = [
        _column(loader, declared, raw.column(position), has_nul=form.has_nul)
        for declared, position in zip(loader.declared, form.positions, strict=True)
    ]
    if loader.params.extra_column is not None:
        positions, names = [at for at, _ in form.undeclared], [name for _, name in form.undeclared]
        casts.append(_undeclared.of_texts(names, [raw.column(at) for at in positions], len(raw)))
    records = rows - heading
    ragged = [(_ragged(row, row.row - heading, form.fields), line) for row, line in batch.ragged]
    return batch_of(
        loader,
        Cells(casts, records, lines),
        apart=[*apart, *ragged],
        filtered=empty + comments,
        raw=lambda wanted: _texts(loader, raw, np.searchsorted(records, wanted)),
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
        bad += [BadCell(row, text[row].as_py(), *NUL) for row in nul]
        text = blank(text, nul) if nul else text
    form, tokens = loader.form_of(declared), declared.null_tokens
    if form.trim:
        text, tokens = pc.utf8_trim_whitespace(text), [*loader.params.null_tokens, *tokens]
    cast = from_text(_with_nulls(text, tokens), declared.type, form)
    return Cast(cast.array, bad + cast.bad)


def _with_nulls(text: Any, tokens: list[str]) -> Any:
    if not tokens:
        return text
    absent = pc.is_in(text, pa.array(tokens, pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), text)


def _ragged(row: RaggedRow, record: int, fields: int) -> RejectedRow:
    return RejectedRow(
        record,
        None,
        row.text[:_SHOWN],
        f"{fields} fields",
        "ragged_row",
        f"has {row.fields} fields and not {fields}",
        row.text,
    )


def quote_open(row: RaggedRow, record: int) -> RejectedRow:
    """A line with a quote that is open at its end, where values are to end on their line."""
    reason = "has a quote that is not closed on its line"
    return RejectedRow(record, None, row.text[:_SHOWN], "a closed quote", "quote_open", reason, row.text)


def _texts(loader: Csv, raw: Any, rows: Any) -> list[str | None]:
    """Records as text, written anew: spare quotes are gone, and NULL is the first of its tokens."""
    params = loader.params
    null, quote = (params.null_tokens or [""])[0], params.quote
    texts: list[str | None] = []
    for row in rows:
        target = io.StringIO()
        writer = csv.writer(
            target,
            delimiter=params.delimiter,
            quotechar=quote,
            escapechar=params.escape if quote else "\\",
            doublequote=params.escape is None,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            lineterminator="",
        )
        cells = (column[int(row)].as_py() for column in raw.columns)
        writer.writerow([null if cell is None else cell.decode(errors="replace") for cell in cells])
        texts.append(target.getvalue())
    return texts
