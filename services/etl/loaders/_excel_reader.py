"""Reading a sheet of a workbook: typed cells by rows, cast to the declared types."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import TEXT
from services.etl.loaders._base import Batch, Reading, SourceFile
from services.etl.loaders._cells import Apart, Cells, batch_of, from_clean_text
from services.etl.loaders._csv_header import named
from services.etl.loaders._excel_cells import Area, area_of, as_json, spelled
from services.etl.loaders._excel_workbook import Sheet, sheet_of
from services.etl.loaders._files import FileColumn
from services.etl.loaders._files_bytes import check_content
from services.etl.loaders._header import by_name, undeclared
from services.etl.loaders._header_rows import joined
from services.etl.loaders._undeclared import rows_at_once
from services.etl.loaders.excel import Excel
from services.etl.pipeline.casting import BadCell, Cast
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.errors import FileEmpty
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import dumps

BATCH_ROWS: Final = 8192
_DATED: Final = frozenset({"date", "time", "timestamp", "timestamptz"})


@dataclass(slots=True)
class Block:
    """Rows of a table in a sheet with their numbers: `lines` are those of the sheet, from 1."""

    rows: list[list[Any]] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    blank: int = 0


class Table:
    """The table in an area of a sheet. Its rows have no empty cells at their ends."""

    def __init__(self, sheet: Sheet, area: Area) -> None:
        self._sheet = sheet
        self._area = area
        self._from = area.first_column - sheet.first_column
        self._to = area.last_column - sheet.first_column + 1
        self._numbered = islice(enumerate(sheet.rows, 1), area.first_row, area.last_row + 1)
        self._broken = {row + 1 for row, _ in sheet.errors}
        self._record = 0

    def first(self) -> list[Any] | None:
        """The first row, which may be a header."""
        found = next(self._numbered, None)
        return None if found is None else self._part(found[1])

    def blocks(self, most: int) -> Iterator[Block]:
        """The rows that follow, the blank ones counted and left out."""
        while rows := list(islice(self._numbered, most)):
            block = Block()
            for line, row in rows:
                self._record += 1
                part = self._part(row)
                if not part and line not in self._broken:
                    block.blank += 1
                    continue
                block.rows.append(part)
                block.records.append(self._record)
                block.lines.append(line)
            yield block

    def error(self, line: int, column: int) -> str | None:
        """What a cell shows where it shows an error."""
        return self._sheet.errors.get((line - 1, self._area.first_column + column))

    def _part(self, row: list[Any]) -> list[Any]:
        part = [""] * -self._from + row[max(0, self._from) : max(0, self._to)]
        while part and part[-1] == "":
            part.pop()
        return part


class ExcelReading(Reading):
    """An open workbook. Iterate once."""

    def __init__(self, loader: Excel, file: SourceFile) -> None:
        self._loader = loader
        self._file = file
        self._done = 0
        self._undeclared: list[int] = []

    @property
    def bytes_read(self) -> int:
        """The share of the bytes that the rows given are of all rows: a workbook is read at once."""
        return self._done

    def __enter__(self) -> Self:
        params = self._loader.params
        check_content(self._file)
        self._sheet = sheet_of(self._file, params.sheet)
        self._table = Table(self._sheet, area_of(params.cells))
        if params.header:
            self._names = header(self._table, params)
            self._positions = by_name(self._loader, self._names)
            self._undeclared = undeclared(self._loader, self._names)
        else:
            self._positions = list(range(len(self._loader.declared)))
            self._names = [column.name for column in self._loader.declared]
        return self

    def __iter__(self) -> Iterator[Batch]:
        names = [self._names[position] for position in self._undeclared]
        for block in self._table.blocks(min(BATCH_ROWS, rows_at_once(names))):
            if block.lines:
                self._done = self._file.size * min(block.lines[-1], self._sheet.height) // self._sheet.height
            yield self._typed(block)
        self._done = self._file.size

    def _typed(self, block: Block) -> Batch:
        kept, apart = self._regular(block)
        casts = [
            self._cast(column, [_at(row, position) for row in kept.rows], kept.lines, position)
            for column, position in zip(self._loader.declared, self._positions, strict=True)
        ]
        if self._loader.params.extra_column is not None:
            casts.append(self._collected(kept))
        cells = Cells(casts, np.array(kept.records, np.int64), np.array(kept.lines, np.int64))
        places = {record: at for at, record in enumerate(block.records)}
        return batch_of(
            self._loader,
            cells,
            apart=apart,
            filtered=block.blank,
            raw=lambda records: [self._text(block.rows[places[record]]) for record in records],
        )

    def _regular(self, block: Block) -> tuple[Block, list[Apart]]:
        """The rows without those that have cells beyond the header."""
        fields = len(self._names)
        if self._loader.params.extra_columns == "ignore" or all(len(row) <= fields for row in block.rows):
            return block, []
        kept, apart = Block(), list[Apart]()
        for row, record, line in zip(block.rows, block.records, block.lines, strict=True):
            if len(row) > fields:
                reason = f"has {len(row)} fields and not {fields}"
                apart.append(
                    (RejectedRow(record, None, None, f"{fields} fields", "ragged_row", reason), line)
                )
                continue
            kept.rows.append(row)
            kept.records.append(record)
            kept.lines.append(line)
        return kept, apart

    def _cast(self, column: FileColumn, values: list[Any], lines: list[int], position: int) -> Cast:
        errors = [(row, self._table.error(line, position)) for row, line in enumerate(lines)]
        form = self._loader.form_of(column)
        dated = column.format is not None and column.type.kind in _DATED
        typed = [None if isinstance(value, str) else spelled(value, column.type) for value in values]
        texts = [self._known(value) if isinstance(value, str) else None for value in values]
        if dated:
            cast = _merged(_strings(column, texts, form), _strings(column, typed, replace(form, format=None)))
        else:
            both = [one if one is not None else other for one, other in zip(texts, typed, strict=True)]
            cast = _strings(column, both, form)
        broken = [
            BadCell(row, shown, "error_cell", "shows an error of the workbook")
            for row, shown in errors
            if shown is not None
        ]
        cast.bad = sorted([*broken, *cast.bad], key=lambda cell: cell.row)
        return cast

    def _collected(self, block: Block) -> Cast:
        texts = list[str | None]()
        for row, line in zip(block.rows, block.lines, strict=True):
            found = {self._names[at]: self._as_json(_at(row, at), line, at) for at in self._undeclared}
            there = {name: value for name, value in found.items() if value is not None}
            texts.append(dumps(there) if there else None)
        return _strings(self._loader.columns_read[-1], texts, TextForm())

    def _as_json(self, value: Any, line: int, position: int) -> str | bool | None:
        """A cell that nobody declared: one with an error is the text that it shows."""
        if isinstance(value, str) and value in self._loader.params.null_tokens:
            return None
        return self._table.error(line, position) if value == "" else as_json(value)

    def _known(self, text: str) -> str | None:
        params = self._loader.params
        text = text.strip() if params.trim else text
        return None if text == "" or text in params.null_tokens else text

    def _text(self, row: Sequence[Any]) -> str:
        """A row as a JSON object of texts."""
        names = [*self._names, *(f"column_{at}" for at in range(len(self._names) + 1, len(row) + 1))]
        return dumps({name: spelled(value, TEXT) for name, value in zip(names, row, strict=False)})


def header(table: Table, params: Excel.Params) -> list[str]:
    """The names of the columns. Raises FileEmpty or HeaderInvalid."""
    rows = [table.first() for _ in range(params.header_rows)]
    there = [[spelled(value, TEXT) or "" for value in row] for row in rows if row is not None]
    if len(there) < len(rows):
        raise FileEmpty
    return named(joined(there, params.header_separator, fill=params.header_fill))


def _at(row: list[Any], position: int) -> Any:
    return row[position] if position < len(row) else ""


def _strings(column: FileColumn, texts: list[str | None], form: TextForm) -> Cast:
    return from_clean_text(pa.array(texts, pa.string()), column, form)


def _merged(one: Cast, other: Cast) -> Cast:
    return Cast(pc.coalesce(one.array, other.array), [*one.bad, *other.bad])
