"""Reading a CSV file in blocks: all columns as bytes first, then cast to the declared types."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.csv as arrow_csv

from services.etl.loaders import _csv_cells, _csv_header, _csv_source, _undeclared
from services.etl.loaders._base import Batch, Reading, SourceFile
from services.etl.loaders._cells import Apart
from services.etl.loaders._csv_numbering import Numbering, RaggedRow
from services.etl.loaders.csv import Csv
from services.etl.pipeline.errors import RecordTooLong, SourceInvalid, UnterminatedQuote

BLOCK_SIZE: Final = 2 << 20
"""Bytes that are parsed at once: the best of what was measured; a record must fit into one block."""


class CsvReading(Reading):
    """An open CSV file. Iterate once; leaving the context closes the file."""

    def __init__(self, loader: Csv, file: SourceFile) -> None:
        self._loader = loader
        self._file = file
        self._blocks = 0
        self._ended = False
        self._numbering = Numbering()
        self._block_size = max(BLOCK_SIZE, BLOCK_SIZE + (loader.params.max_record_mib - 2 << 20))

    @property
    def bytes_read(self) -> int:
        return self._content.bytes_read

    @property
    def bytes_done(self) -> int:
        """The share of the bytes whose rows were given. The parser reads many blocks ahead of them."""
        if self._ended or not self._content.given:
            return self.bytes_read
        share = min(1.0, self._blocks * self._block_size / self._content.given)
        return int(self.bytes_read * share)

    @property
    def size(self) -> int:
        return self._file.size

    def __enter__(self) -> Self:
        params = self._loader.params
        self._fields = _csv_header.first_record(self._loader, self._file)
        self._positions = _csv_header.positions(self._loader, self._fields)
        self._undeclared = _csv_header.undeclared(self._loader, self._fields)
        self._part_rows = _undeclared.rows_at_once([name for _, name in self._undeclared])
        self._content = _csv_source.opened(self._loader, self._file)
        self._content.tail, self._token = _csv_source.tail_record(len(self._fields), params.delimiter)
        self._lines: _csv_source.SingleLines | None = None
        if not params.multi_line:
            self._lines = _csv_source.SingleLines(
                self._content,
                self._loader,
                heading=max(1, self._loader.heading),
                fields=len(self._fields),
            )
        return self

    def close(self) -> None:
        self._content.close()

    def __iter__(self) -> Iterator[Batch]:
        held: _csv_cells.RawBatch | None = None
        for raw in self._parsed():
            if held is None:
                first_line = self._lines.line if self._lines else self._loader.params.skip_rows + 1
                self._numbering.begin(first_line)
            else:
                self._blocks += 1
                yield from self._typed(held)
            held = self._numbered(raw, first=held is None)
        if held is None or not held.ends_with(self._token):
            raise UnterminatedQuote(line=self._numbering.last_line)
        self._content.check_whole()
        self._ended = True
        yield from self._typed(held.without_last())

    def _numbered(self, raw: Any, *, first: bool) -> _csv_cells.RawBatch:
        numbered = self._numbering.number(raw)
        batch = _csv_cells.RawBatch(raw, numbered.rows, numbered.lines, numbered.ragged)
        heading = self._loader.heading
        if not first or not heading:
            return batch
        if len(raw) < heading or numbered.rows[heading - 1] != heading:
            raise SourceInvalid(reason="its header could not be read")
        return batch.without_first(heading)

    def _typed(self, batch: _csv_cells.RawBatch) -> Iterator[Batch]:
        comments, apart, ragged = 0, list[Apart](), []
        for row, line in batch.ragged:
            found = self._lines.restored(row) if self._lines else None
            if found is None:
                ragged.append((row, line))
            elif found[0] == _csv_source.COMMENT:
                comments += 1
            else:
                apart.append((_csv_cells.quote_open(found[1], row.row - self._loader.heading), line))
        form = _csv_cells.Form(
            self._positions, len(self._fields), self._content.has_nul, undeclared=self._undeclared
        )
        for part in replace(batch, ragged=ragged).parts(self._part_rows):
            yield _csv_cells.typed(self._loader, part, form, apart=apart, comments=comments)
            apart, comments = [], 0

    def _parsed(self) -> Iterator[Any]:
        try:
            reader = self._open()
            while True:
                try:
                    yield reader.read_next_batch()
                except StopIteration:
                    return
        except pa.ArrowInvalid as error:
            if "straddl" in str(error):
                raise RecordTooLong(line=self._numbering.line, limit=self._block_size) from None
            raise SourceInvalid(reason="it is no delimited text of the declared form") from error

    def _open(self) -> Any:
        params = self._loader.params
        names = [f"field_{position}" for position in range(len(self._fields))]
        return arrow_csv.open_csv(
            pa.PythonFile(self._lines or self._content, mode="r"),
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=self._block_size, column_names=names
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=params.delimiter,
                quote_char=params.quote or False,
                escape_char=params.escape or False,
                newlines_in_values=params.multi_line,
                ignore_empty_lines=False,
                invalid_row_handler=self._ragged,
            ),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.binary()),
                null_values=params.null_tokens,
                strings_can_be_null=bool(params.null_tokens),
                quoted_strings_can_be_null=params.quoted_nulls,
            ),
        )

    def _ragged(self, row: Any) -> str:
        self._numbering.left_out(RaggedRow(row.number, row.actual_columns, row.text))
        return "skip"
