"""SQLite as a target: one immediate transaction with the ledger, in a thread of its own."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from services.etl.columns import Columns
from services.etl.destinations import _ledger
from services.etl.destinations import _sqlite_sql as sql
from services.etl.destinations._sqlite_modes import Way, Work, way_for
from services.etl.destinations._sqlite_script import script
from services.etl.destinations._target import Capabilities, Encoded, Rows, Surroundings, Target, Written
from services.etl.pipeline.errors import FenceOutdated, TargetBusy, TargetRefused, TargetUnfit
from services.etl.pipeline.job import Counts, Job, JobSource, JobSpec
from services.etl.runner.messages import Phase
from shared.engines import sqlite

T = TypeVar("T")
BUSY_SECONDS: Final = 5


class Sqlite(Target):
    """Rows by one prepared statement, in one BEGIN IMMEDIATE with the run's ledger row."""

    name = "sqlite"
    capabilities = Capabilities(concurrent_writers=False)

    def __init__(self, job: Job, columns: Columns, surroundings: Surroundings) -> None:
        super().__init__(job, columns, surroundings)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection | None = None
        self._way: Way | None = None
        self._numbering: str | None = None

    @classmethod
    def script(cls, job: JobSpec, columns: Columns) -> list[str]:
        return script(job, columns)

    async def prepare(self) -> Counts | None:
        return await self._in_thread(self._prepare)

    def encode(self, rows: Rows) -> Encoded:
        """The values of the rows, one row after the other."""
        from services.etl.destinations import _sqlite_values

        if self._numbering is not None and rows.batch.column(self._numbering).null_count:
            raise TargetRefused(reason=f"a column that must have a value is NULL, column {self._numbering}")
        columns = [_sqlite_values.values(column) for column in rows.batch.columns]
        return Encoded(len(rows.batch), list(chain.from_iterable(zip(*columns, strict=True))))

    async def write(self, encoded: AsyncIterator[Encoded]) -> Written:
        assert self._way is not None
        way, rows = self._way, 0
        async for item in encoded:
            await self._in_thread(partial(way.insert, item.payload))
            rows += item.rows
        if self.job.table.mode != "append":
            self.surroundings.tell(Phase(name="merging"))
        return await self._in_thread(lambda: way.finish(rows))

    async def last_cursor(self) -> str | None:
        return await self._in_thread(self._last_cursor)

    async def commit(self, counts: Counts) -> None:
        await self._in_thread(lambda: self._commit(counts))

    async def abandon(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.interrupt()
            with suppress(sqlite3.Error):
                await asyncio.shield(self._thread_future(connection.close))
        self._thread.shutdown(wait=False)

    async def settle(self) -> Counts | None:
        try:
            return await self._in_thread(self._settle)
        finally:
            await self.abandon()

    def _prepare(self) -> Counts | None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*_ledger.statements("sqlite"), _ledger.cursor_statement("sqlite")):
            connection.execute(statement)
        self._raise_fence(connection)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        self._check_fence(connection)
        done = connection.execute(sql.LEDGER_ROW, (self.job.run_id.hex,)).fetchone()
        if done is not None:
            return Counts.model_validate_json(done[0])
        connection.execute(sql.LATER_ROWS)
        declared = self._examine(connection)
        self._way = way_for(Work(connection, self.job.table, self.columns.names, declared))
        self._way.begin()
        return None

    def _open(self) -> sqlite3.Connection:
        if self.job.table.sqlite_path is None:
            raise TargetUnfit(reason="its file is not known")
        path = Path(self.job.table.sqlite_path)
        self._connection = sqlite.connect(path, read_only=False, any_thread=True)
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        if self.job.table.sqlite_path in {source.sqlite_path for source in self._sources()}:
            # A full cache would want the file for itself, and wait for the reader of this very run.
            self._connection.execute("PRAGMA cache_spill = OFF")
        return self._connection

    def _sources(self) -> list[JobSource]:
        return [self.job.source, *self.job.lookups.values()]

    def _raise_fence(self, connection: sqlite3.Connection) -> None:
        """Raise the fence for good, before anything is written: it must hold even if this attempt fails."""
        facts = (self.job.table_key, self.job.fence, self.job.run_id.hex)
        if connection.execute(sql.RAISE_FENCE, facts).rowcount != 1:
            raise FenceOutdated

    def _check_fence(self, connection: sqlite3.Connection) -> None:
        row = connection.execute(sql.HELD_FENCE, (self.job.table_key,)).fetchone()
        if row is None or row[0] != self.job.fence:
            raise FenceOutdated

    def _examine(self, connection: sqlite3.Connection) -> Mapping[str, str]:
        """The declared types of the table's columns, after checking that they keep our values."""
        from services.etl.destinations import _sqlite_values

        if connection.execute(sql.HAS_TABLE, (self.job.table.table_name,)).fetchone() is None:
            raise TargetUnfit(reason="it is not there")
        found = {row[0]: row for row in connection.execute(sql.COLUMNS, (self.job.table.table_name,))}
        for column in self.columns:
            row = found.get(column.name)
            if row is None or row[5]:
                raise TargetUnfit(reason=f"it has no column {column.name!r} that can be written")
            if not _sqlite_values.keeps(row[1], column.type):
                raise TargetUnfit(
                    reason=f"its column {column.name!r} is declared {row[1]!r}, which changes {column.type}"
                )
        history = self.job.table.history
        given = {*self.columns.names, *(history.columns if history else ())}
        for name, _, not_null, default, key, hidden in found.values():
            filled = default is not None or (key and not not_null)
            if name not in given and not_null and not filled and not hidden:
                raise TargetUnfit(reason=f"its column {name!r} must have a value")
        key = [(row[0], row[1].upper()) for row in found.values() if row[4]]
        if len(key) == 1 and key[0][1] == "INTEGER" and key[0][0] in self.columns:
            self._numbering = key[0][0]  # SQLite would put the next number in the place of a NULL
        return {name: row[1] for name, row in found.items() if not row[5]}

    def _commit(self, counts: Counts) -> None:
        assert self._connection is not None
        self._check_fence(self._connection)
        facts = (self.job.run_id.hex, self.job.table_key, self.job.fence, counts.model_dump_json())
        self._connection.execute(sql.WRITE_LEDGER, facts)
        if counts.cursor is not None and self.job.stream is not None:
            cursor = (self.job.stream, counts.cursor, self.job.run_id.hex)
            self._connection.execute(sql.WRITE_CURSOR, cursor)
        self._connection.execute("COMMIT")

    def _last_cursor(self) -> str | None:
        assert self._connection is not None
        row = self._connection.execute(sql.LAST_CURSOR, (self.job.stream,)).fetchone()
        return None if row is None else str(row[0])

    def _settle(self) -> Counts | None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute(sql.HAS_TABLE, (_ledger.LEDGER,)).fetchone() is None:
            return None
        done = connection.execute(sql.LEDGER_ROW, (self.job.run_id.hex,)).fetchone()
        return None if done is None else Counts.model_validate_json(done[0])

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run in the session's thread. When the waiting is cancelled, so is the statement."""
        future = self._thread_future(work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if self._connection is not None:
                self._connection.interrupt()
            with suppress(sqlite3.Error):
                await asyncio.wait([future], timeout=2)
            raise
        except sqlite3.Error as error:
            raise _translated(error) from error

    def _thread_future(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._thread, work)


def _translated(error: sqlite3.Error) -> TargetBusy | TargetRefused:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TargetBusy(reason="another program is writing to the file")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_INTERRUPT")):
        return TargetBusy(reason=f"it could not write ({name})")
    if name.startswith("SQLITE_CONSTRAINT"):
        return TargetRefused(reason=_CONSTRAINTS.get(name, "a row breaks a constraint of the table"))
    return TargetRefused(reason=name or "SQLite failed")


_CONSTRAINTS: Final[Mapping[str, str]] = {
    "SQLITE_CONSTRAINT_UNIQUE": "a row has the unique key of another one",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "a row has the primary key of another one",
    "SQLITE_CONSTRAINT_NOTNULL": "a column that must have a value is NULL",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "a row refers to one that is not there",
    "SQLITE_CONSTRAINT_CHECK": "a row breaks a check of the table",
}
