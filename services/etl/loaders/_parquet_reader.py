"""Reading a Parquet file in batches of some rows, of no more columns than are wanted."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.etl.loaders import _parquet_types, _parquet_undeclared, _undeclared
from services.etl.loaders._base import Batch, Reading, SourceFile
from services.etl.loaders._cells import Cells, batch_of
from services.etl.loaders._files_bytes import check_content
from services.etl.loaders._files_errors import ParquetInvalid
from services.etl.loaders._header import by_name, undeclared
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.casting import BadCell, Cast, display
from services.etl.pipeline.json_paths import dumps

BATCH_BYTES: Final = 8 << 20
BATCH_ROWS: Final = 32_768
_BUFFER: Final = 1 << 20


def opened(file: SourceFile) -> Any:
    """The `pyarrow.parquet.ParquetFile`. Raises ParquetInvalid."""
    with file.path.open("rb") as content:
        head = content.read(4)
    if head == b"PARE":
        raise ParquetInvalid(reason="it is encrypted")
    try:
        return pq.ParquetFile(
            file.path, buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us",
            page_checksum_verification=True,
        )  # fmt: skip
    except (OSError, pa.ArrowException) as error:
        encrypted = "crypt" in str(error)
        raise ParquetInvalid(
            reason="it is encrypted" if encrypted else "it is no whole Parquet file"
        ) from None


class ParquetReading(Reading):
    """An open Parquet file. Iterate once; leaving the context closes the file."""

    def __init__(self, loader: Parquet, file: SourceFile) -> None:
        self._loader = loader
        self._source = file
        self._rows = 0
        self._ended = False

    @property
    def bytes_read(self) -> int:
        """The share of the bytes that the rows are of all rows: columns are not read one after the other."""
        if self._ended:
            return self._source.size
        return int(self._source.size * min(1.0, self._rows / max(1, self._file.metadata.num_rows)))

    @property
    def rows_expected(self) -> int:
        return int(self._file.metadata.num_rows)

    def __enter__(self) -> Self:
        check_content(self._source)
        self._file = opened(self._source)
        schema = self._file.schema_arrow
        positions = by_name(self._loader, schema.names)
        for column, position in zip(self._loader.declared, positions, strict=True):
            _parquet_types.check(column, schema.field(position).type)
        self._undeclared = [schema.names[at] for at in undeclared(self._loader, schema.names)]
        return self

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Batch]:
        names = [*(column.name for column in self._loader.declared), *self._undeclared]
        most = min(BATCH_ROWS, _undeclared.rows_at_once(self._undeclared))
        for rows in batches(self._file, names, most=most):
            yield self._typed(rows)
        if self._rows != self._file.metadata.num_rows:
            raise ParquetInvalid(
                reason=f"it tells of {self._file.metadata.num_rows} rows and has {self._rows}"
            )
        self._ended = True

    def _typed(self, rows: Any) -> Batch:
        first = self._rows + 1
        self._rows += len(rows)
        casts = [
            _parquet_types.cast(rows.column(column.name), column, self._loader.form_of(column))
            for column in self._loader.declared
        ]
        if self._loader.params.extra_column is not None:
            casts.append(self._collected(rows))
        cells = Cells(casts, np.arange(first, first + len(rows)), np.zeros(len(rows), np.int64))
        return batch_of(self._loader, cells, raw=lambda records: _texts(rows, [at - first for at in records]))

    def _collected(self, rows: Any) -> Cast:
        values, bad = list[Any](), list[BadCell]()
        for name in self._undeclared:
            value, found = _parquet_undeclared.values(name, rows.column(name))
            values.append(value)
            bad += found
        bad.sort(key=lambda cell: cell.row)
        return Cast(_undeclared.objects(self._undeclared, values, len(rows)), bad)


def batches(file: Any, names: Sequence[str], *, most: int) -> Iterator[Any]:
    """The rows of some columns, at most about `BATCH_BYTES` at once. Raises ParquetInvalid."""
    metadata = file.metadata
    stored = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    row = max(1, stored // max(1, metadata.num_rows))
    try:
        yield from file.iter_batches(batch_size=max(64, min(most, BATCH_BYTES // row)), columns=list(names))
    except (OSError, pa.ArrowException):
        raise ParquetInvalid(reason="a part of it is damaged") from None


def _texts(rows: Any, places: Sequence[int]) -> list[str | None]:
    """Rows as JSON objects of texts."""
    names = rows.schema.names
    return [
        dumps({name: display(rows.column(at)[place]) for at, name in enumerate(names)}) for place in places
    ]
