"""Reading a CSV file in blocks: all columns as bytes first, then cast to the declared types."""

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.csv as arrow_csv

from services.etl.loaders import _csv_cells, _csv_header
from services.etl.loaders._base import Batch, Reading, SourceFile
from services.etl.loaders._csv_numbering import Numbering, RaggedRow
from services.etl.loaders._csv_source import Utf8Bytes, tail_record
from services.etl.loaders.csv import Csv
from services.etl.pipeline.errors import RecordTooLong, SourceChanged, SourceInvalid, UnterminatedQuote

BLOCK_SIZE: Final = 2 << 20
"""Bytes that are parsed at once: the best of what was measured; a record must fit into one block."""


class CsvReading(Reading):
    """An open CSV file. Iterate once; leaving the context closes the file."""

    def __init__(self, loader: Csv, source: SourceFile) -> None:
        self._loader = loader
        self._source = source
        self._numbering = Numbering()
        self._bytes: Utf8Bytes | None = None
        self._blocks = 0
        self._ended = False

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that were read so far."""
        return self._bytes.bytes_read if self._bytes else 0

    @property
    def bytes_done(self) -> int:
        """Bytes of the blocks whose rows were given. The parser reads many blocks ahead of them."""
        return self.bytes_read if self._ended else min(self._blocks * BLOCK_SIZE, self.bytes_read)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._source.size

    def __enter__(self) -> Self:
        params = self._loader.params
        found = self._source.path.stat().st_size
        if found != self._source.size:
            raise SourceChanged(reason=f"the file has {found} bytes and not {self._source.size}")
        self._fields = _csv_header.first_record(
            self._source.path,
            encoding=params.encoding,
            delimiter=params.delimiter,
            quote=params.quote,
            escape=params.escape,
        )
        self._positions = _csv_header.positions(self._loader, self._fields)
        self._bytes = Utf8Bytes(
            self._source.path, encoding=params.encoding, digest=self._source.sha256 is not None
        )
        self._bytes.tail, self._token = tail_record(len(self._fields), params.delimiter)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bytes is not None:
            self._bytes.close()

    def __iter__(self) -> Iterator[Batch]:
        held: _csv_cells.RawBatch | None = None
        for raw in self._parsed():
            if held is not None:
                self._blocks += 1
                yield self._typed(held)
            held = self._numbered(raw, first=held is None)
        if held is None or not held.ends_with(self._token):
            raise UnterminatedQuote(line=self._numbering.last_line)
        self._check_whole()
        self._ended = True
        yield self._typed(held.without_last())

    def _numbered(self, raw: Any, *, first: bool) -> _csv_cells.RawBatch:
        numbered = self._numbering.number(raw)
        batch = _csv_cells.RawBatch(raw, numbered.rows, numbered.lines, numbered.ragged)
        if not (first and self._loader.params.header):
            return batch
        if not len(raw) or numbered.rows[0] != 1:
            raise SourceInvalid(reason="its header could not be read")
        return batch.without_first()

    def _typed(self, batch: _csv_cells.RawBatch) -> Batch:
        assert self._bytes is not None
        return _csv_cells.typed(
            self._loader,
            batch,
            positions=self._positions,
            fields=len(self._fields),
            has_nul=self._bytes.has_nul,
        )

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
                raise RecordTooLong(line=self._numbering.line, limit=BLOCK_SIZE) from None
            raise SourceInvalid(reason="it is no delimited text of the declared form") from error

    def _open(self) -> Any:
        params = self._loader.params
        names = [f"field_{position}" for position in range(len(self._fields))]
        return arrow_csv.open_csv(
            pa.PythonFile(self._bytes, mode="r"),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_SIZE, column_names=names),
            parse_options=arrow_csv.ParseOptions(
                delimiter=params.delimiter,
                quote_char=params.quote or False,
                escape_char=params.escape or False,
                newlines_in_values=True,
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

    def _check_whole(self) -> None:
        assert self._bytes is not None
        if self._bytes.bytes_read != self._source.size:
            raise SourceChanged(
                reason=f"{self._bytes.bytes_read} of its {self._source.size} bytes could be read"
            )
        if self._source.sha256 is not None and self._bytes.hexdigest() != self._source.sha256:
            raise SourceChanged(reason="its content has another SHA-256")
