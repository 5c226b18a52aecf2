"""A DuckDB for one step that has to see the whole table: rows go in and come out as Arrow.

It runs in the process of the data path and touches nothing but its own folder: SQL that it gets can't
reach files or the network, load extensions or change settings. Statements are written by our own steps over
columns named `c0`, `c1`, ...: names that people gave are in no statement, for DuckDB takes "a" and "A" for
one column. Text compares by code points, times are UTC, and one thread does the work, so that what comes
out depends on what goes in alone.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import duckdb
import numpy as np
import pyarrow as pa

from services.etl.columns import Columns
from services.etl.pipeline.arrow_types import arrow_schema, arrow_type
from services.etl.pipeline.context import Context
from services.etl.pipeline.duck_errors import MemoryFull, ResultTooLarge, ScratchFull
from services.etl.pipeline.errors import HandlerBroken, HandlerFailed
from services.etl.pipeline.pieces import Piece

BATCH_ROWS: Final = 1 << 16
BATCH_BYTES: Final = 4 << 20
"""Batches that come out have at most so many rows, and are about as large as this where rows are wide."""

LEAST_ROWS: Final = 2048
SCRATCH_SHARE: Final = 0.8
"""How much of the disk's free space a step may take for what doesn't fit into its memory."""

LEAST_MEMORY_MB: Final = 64
"""What DuckDB needs to sort and group by blocks at all."""

MARKS: Final = (("seq", pa.int64()), ("record", pa.int64()), ("line", pa.int64()))
"""What every row has beside its columns: where it was among the rows, its record number and its line."""


class Duck:
    """A database for a step's rows, gone with its `with` block.

    It keeps within `context.memory_mb` and spills to a folder in `context.scratch`. Raises ScratchFull,
    MemoryFull and ResultTooLarge where that isn't enough, and what a source of rows raised as it is.
    `folder` is its own, in which a step may put at most `scratch_mb`.
    """

    def __init__(self, context: Context, *, scratch_mb: int | None = None) -> None:
        self.step = context.step
        self.memory_mb = max(context.memory_mb, LEAST_MEMORY_MB)
        self.folder = Path(tempfile.mkdtemp(prefix="duck-", dir=context.scratch))
        free = shutil.disk_usage(self.folder).free
        self.scratch_mb = int(free * SCRATCH_SHARE) >> 20 if scratch_mb is None else scratch_mb
        self._source_error: Exception | None = None
        self._given_rows = self._given_bytes = 0

    def __enter__(self) -> Self:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{self.memory_mb}MiB",
                "threads": "1",
                "temp_directory": str(self.folder),
                "autoload_known_extensions": "false",
                "autoinstall_known_extensions": "false",
                "python_enable_replacements": "false",
            },
        )
        # in `config` it would be without effect: the temporary directory is set after it
        self._connection.execute(f"SET max_temp_directory_size = '{self.scratch_mb}MiB'")
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def batch_rows(self) -> int:
        """How many rows a batch should have, going by those that were given so far."""
        wide = self._given_bytes // (self._given_rows or 1) or 1
        return max(LEAST_ROWS, min(BATCH_ROWS, BATCH_BYTES // wide))

    def stream(self, name: str, batches: Iterable[Any], schema: Any) -> None:
        """Let a statement read these batches under a name, once."""
        reader = pa.RecordBatchReader.from_batches(schema, self._watched(batches))
        self._connection.register(name, reader)

    def keep(self, name: str, batches: Iterable[Any], schema: Any) -> None:
        """Keep these batches as a table, which is read any number of times."""
        self.stream(f"{name}_read", batches, schema)
        self._run(f"CREATE TABLE {name} AS SELECT * FROM {name}_read")  # noqa: S608  names of our own making
        self._connection.unregister(f"{name}_read")

    def rows(self, sql: str) -> Iterator[Any]:
        """The result of a query in batches; it is worked out while they are taken."""
        yield from self._read(self._connection, sql)

    def beside(self, sql: str) -> Iterator[tuple[Any, Any]]:
        """Rows of the table `given`, as often as a query names them by its first column, their `seq`, in
        ascending order; and the rows of the query beside them.

        So only what decides about rows has to be sorted or joined; wide rows are read one after the other.
        """
        chosen, first = self.rows(sql), 0
        current = next(chosen, None)
        for batch in self._read(self._connection.cursor(), "SELECT * FROM given"):
            end = first + len(batch)
            if batch.column(0)[0].as_py() != first or batch.column(0)[-1].as_py() != end - 1:
                raise HandlerBroken(step=self.step, reason="its rows came back in another order")
            while current is not None:
                seq = numbers(current.column(0))
                count = int(np.searchsorted(seq, end))
                if count:
                    yield batch.take(pa.array(seq[:count] - first)), current.slice(0, count)
                if count < len(seq):
                    current = current.slice(count)
                    break
                current = next(chosen, None)
            first = end

    def _read(self, connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[Any]:
        try:
            reader = connection.sql(sql).to_arrow_reader(self.batch_rows)
            yield from (batch for batch in reader if len(batch))
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._told(error) from error

    def _run(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except duckdb.Error as error:
            raise self._told(error) from error

    def _watched(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The batches; what ends them is kept, since it reaches DuckDB as a text alone."""
        try:
            for batch in batches:
                self._given_rows += len(batch)
                self._given_bytes += batch.nbytes
                yield batch
        except Exception as error:
            self._source_error = error
            raise

    def _told(self, error: Exception) -> Exception:
        if self._source_error is not None:
            return self._source_error
        text = str(error)
        if "max_temp_directory_size" in text or "No space left" in text:
            return ScratchFull(step=self.step, limit=self.scratch_mb)
        if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in text:
            return MemoryFull(step=self.step, limit=self.memory_mb)
        if isinstance(error, duckdb.OutOfRangeException | duckdb.ConversionException) or _out_of_range(text):
            return ResultTooLarge(step=self.step)
        return HandlerFailed(step=self.step, kind=type(error).__name__)


def _out_of_range(text: str) -> bool:
    return "Out of Range" in text or "Conversion Error" in text


def marked_schema(columns: Columns) -> Any:
    """The schema of rows with their marks, the columns under the names `c0`, `c1`, ..."""
    plain = [pa.field(f"c{at}", arrow_type(column.type)) for at, column in enumerate(columns)]
    return pa.schema([*(pa.field(*mark) for mark in MARKS), *plain])


class Marked:
    """Pieces as batches with their marks. `rows` counts those that were taken, `size` their bytes.

    `key` adds a column of this name and type, worked out from each piece.
    """

    def __init__(
        self,
        pieces: Iterable[Piece],
        columns: Columns,
        *,
        key: tuple[Any, Callable[[Piece], Any]] | None = None,
    ) -> None:
        self._pieces = pieces
        self._key = key[1] if key else None
        self.schema = marked_schema(columns)
        if key:
            self.schema = self.schema.append(pa.field("key", key[0]))
        self.rows = self.size = 0

    def __iter__(self) -> Iterator[Any]:
        for piece in self._pieces:
            seq = np.arange(self.rows, self.rows + len(piece.rows))
            self.rows += len(piece.rows)
            self.size += piece.rows.nbytes
            marks = [pa.array(part, pa.int64()) for part in (seq, piece.records, piece.lines)]
            key = [self._key(piece)] if self._key else []
            yield pa.RecordBatch.from_arrays([*marks, *piece.rows.columns, *key], schema=self.schema)


def as_piece(batch: Any, columns: Columns) -> Piece:
    """A batch of a result as a piece: its marks, then the columns under any names, and perhaps more."""
    schema = arrow_schema(columns)
    arrays = [_exact(batch.column(at), field.type) for at, field in enumerate(schema, start=len(MARKS))]
    rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
    return Piece(rows, numbers(batch.column(1)), numbers(batch.column(2)))


def _exact(array: Any, wanted: Any) -> Any:
    return array if array.type == wanted else array.cast(wanted)


def numbers(array: Any) -> Any:
    """An array of whole numbers without NULL as NumPy has it."""
    found: Any = array.to_numpy(zero_copy_only=False)
    return found
