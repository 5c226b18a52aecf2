"""Files one after the other, as one source: records numbered over all of them, each with its file's name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from services.etl.loaders._base import Batch, Reading, Source, SourceFile
from services.etl.loaders._files import FileLoader
from services.etl.loaders._files_errors import FileRefused, FilesMissing
from services.etl.loaders._files_places import place_of, whole
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.errors import SourceInvalid
from shared.errors import Fault


class FilesReading(Reading):
    """The files of a source in their order. Iterate once; each is opened when its turn comes."""

    def __init__(self, loader: FileLoader, source: Source) -> None:
        self._loader = loader
        self._place = place_of(loader, source)
        self._files: Sequence[SourceFile] | None = source.files or None
        self._wanted = source.records
        self._current: Reading | None = None
        self._behind = 0
        self._first = 0

    @property
    def bytes_read(self) -> int:
        return self._behind + (self._current.bytes_read if self._current else 0)

    @property
    def bytes_done(self) -> int:
        return self._behind + (self._current.bytes_done if self._current else 0)

    @property
    def size(self) -> int | None:
        """Known once the files are: of a bucket after the first batch."""
        return None if self._files is None else sum(file.size for file in self._files)

    def close(self) -> None:
        self._place.close()

    def __iter__(self) -> Iterator[Batch]:
        self._files = self._place.found()
        if not self._files:
            raise FilesMissing(pattern=self._loader.params.pattern)
        for file in self._files:
            try:
                yield from self._file(file)
            except SourceInvalid as error:
                if len(self._files) == 1:
                    raise
                raise _of_file(error, file) from error

    def _file(self, file: SourceFile) -> Iterator[Batch]:
        read = 0
        with self._place.there(file) as here, whole(file, here), self._loader.open_file(here) as reading:
            self._current = reading
            for batch in reading:
                read += batch.rows_read
                yield self._completed(batch, file)
            self._current = None
        self._behind += file.size
        self._first += read

    def _completed(self, batch: Batch, file: SourceFile) -> Batch:
        batch = replace(batch, file=file.name, first=self._first)
        if self._wanted is not None:
            batch = _only(batch, self._wanted)
        if self._loader.params.file_column is not None:
            batch.rows = self._with_name(batch.rows, file.name)
        return batch

    def _with_name(self, rows: Any, name: str) -> Any:
        names = pa.repeat(pa.scalar(name, pa.string()), len(rows))
        schema = arrow_schema(self._loader.columns_out())
        return pa.RecordBatch.from_arrays([*rows.columns, names], schema=schema)


def _only(batch: Batch, wanted: frozenset[int]) -> Batch:
    """The records that are wanted, as if there were no others."""
    kept = np.array([int(record) + batch.first in wanted for record in batch.records], dtype=bool)
    rejected = [
        (row, line)
        for row, line in zip(batch.rejected, batch.rejected_lines, strict=True)
        if row.record + batch.first in wanted
    ]
    return replace(
        batch,
        rows=batch.rows.filter(pa.array(kept)),
        records=batch.records[kept],
        lines=batch.lines[kept],
        rows_read=int(kept.sum()) + len(rejected),
        rejected=[row for row, _ in rejected],
        rejected_lines=[line for _, line in rejected],
        filtered=0,
    )


def _of_file(error: SourceInvalid, file: SourceFile) -> FileRefused:
    faults = error.all_faults() or (Fault((), error.code(), str(error)),)
    return FileRefused(file=file.name, sentence=str(error), faults=faults)
