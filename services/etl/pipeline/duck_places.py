"""Rows put into their places, as far as they don't fit into memory by files.

DuckDB sorts rows whole, and needs room for about a hundred thousand of them at a time: too much for wide
rows. So it works out the places alone, which takes the columns that decide; then one pass hands the rows out
to files, each for so many places in a row as fit into memory, and one pass reads file after file.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from services.etl.pipeline.duck import Duck, Marked, numbers
from services.etl.pipeline.duck_errors import ScratchFull

MAX_FILES: Final = 250
"""Files that are open at a time; where more were needed, each is larger instead."""

SHARE: Final = 6
"""A file holds one part in so many of the step's memory: it is there twice while it is put in order."""


def in_places(database: Duck, given: Marked, sql: str) -> Iterator[Any]:
    """The rows of the table `given` with their marks in the order of their places.

    The query gives each row's `seq`, in ascending order, and its place: 0, 1, ... each once.
    """
    files = min(MAX_FILES, given.size * SHARE // (database.memory_mb << 20) + 1)
    each = given.rows // files + 1
    if files == 1:
        yield from _ordered([_placed(*part) for part in database.beside(sql)], database.batch_rows)
        return
    with _Files(database, each) as handed_out:
        for rows, places in database.beside(sql):
            handed_out.add(_placed(rows, places))
        yield from handed_out.rows()


class _Files:
    """Files of rows by the part of the order that they belong to."""

    def __init__(self, database: Duck, each: int) -> None:
        self._database = database
        self._each = each
        self._writers: dict[int, Any] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, batch: Any) -> None:
        """Hand rows out. Raises ScratchFull."""
        parts = numbers(batch.column(0)) // self._each
        order = np.argsort(parts, kind="stable")
        batch, parts = batch.take(pa.array(order)), parts[order]
        starts = np.flatnonzero(np.concatenate([[True], parts[1:] != parts[:-1]]))
        ends = np.append(starts[1:], len(parts))
        try:
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                self._writer(int(parts[start]), batch.schema).write_batch(batch.slice(start, end - start))
        except OSError as error:
            raise self._full() from error

    def rows(self) -> Iterator[Any]:
        """All rows in order; each file goes when it is read."""
        try:
            self._stack.close()
        except OSError as error:
            raise self._full() from error
        if (
            sum(path.stat().st_size for path in self._database.folder.iterdir()) >> 20
            > self._database.scratch_mb
        ):
            raise self._full()
        for part in sorted(self._writers):
            with pa.OSFile(str(self._path(part))) as file, pa.ipc.open_stream(file) as reader:
                batches = list(reader)
            self._path(part).unlink()
            yield from _ordered(batches, self._database.batch_rows)

    def _writer(self, part: int, schema: Any) -> Any:
        if part not in self._writers:
            sink = self._stack.enter_context(pa.OSFile(str(self._path(part)), "wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[part] = self._stack.enter_context(pa.ipc.new_stream(sink, schema, options=options))
        return self._writers[part]

    def _path(self, part: int) -> Path:
        return self._database.folder / f"part-{part}.arrow"

    def _full(self) -> ScratchFull:
        return ScratchFull(step=self._database.step, limit=self._database.scratch_mb)


def _placed(rows: Any, places: Any) -> Any:
    """Rows with their places before them."""
    schema = rows.schema.insert(0, pa.field("place", pa.int64()))
    return pa.RecordBatch.from_arrays([places.column(1).cast(pa.int64()), *rows.columns], schema=schema)


def _ordered(batches: list[Any], size: int) -> Iterator[Any]:
    """The rows of some batches in order, `size` at a time. The list is emptied."""
    if not batches:
        return
    batch = pa.concat_batches(batches)
    batches.clear()
    order = np.argsort(batch.column(0).to_numpy())
    rows = batch.drop_columns(["place"])
    for start in range(0, len(order), size):
        yield rows.take(pa.array(order[start : start + size]))
