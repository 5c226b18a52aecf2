"""Scan SQLite files: table-valued pragmas joined to the schema, in a thread that can be interrupted."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, ParamSpec, TypeVar

import orjson

from services.meta.scanners import _sqlite_catalog as catalog
from services.meta.scanners._base import Capabilities, Scanner
from services.meta.scanners._model import (
    DatabaseInfo,
    SchemaList,
    TableFailure,
    TableFilter,
    TableInfo,
    TablePattern,
    Unit,
)
from services.meta.scanners._sqlite_views import Expansions
from shared.contracts.connection import SqliteConnection
from shared.engines import sqlite
from shared.engines.errors import ConnectRefused

P = ParamSpec("P")
T = TypeVar("T")

_COUNTED: Final = 100_000
"""Rows that are counted one by one; a larger table gets an estimate."""
_MEASURED: Final = 256 * 1024 * 1024
"""Bytes up to which table sizes are read: that walks through every page of the file."""
_CHECK_EVERY: Final = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""
_LONGEST: Final = 64 * 1024 * 1024
"""Bytes of one value or row that may be read."""
_TOO_LONG: Final = "reading it took too long"


class SqliteScanner(Scanner):
    """Read the schema of an SQLite file, read-only."""

    name = "sqlite"
    capabilities = Capabilities(many_databases=False, schemas=False, comments=False, owners=False)

    async def list_databases(self) -> list[DatabaseInfo]:
        """The file, under SQLite's own name for it."""
        if self._is_still_to_come():
            return [DatabaseInfo(catalog.SCHEMA, table_count=0, total_size_bytes=0)]
        async with self._opened() as file:
            return [await file.call(file.describe)]

    async def scan(self, database: str, wanted: TableFilter) -> AsyncGenerator[SchemaList | Unit, None]:
        """The tables and views of the file, in buckets."""
        if database != catalog.SCHEMA:
            raise ConnectRefused(step="database", reason="there is no such database")
        if self._is_still_to_come():
            yield SchemaList((catalog.SCHEMA,))
            yield Unit(catalog.SCHEMA, last=True, listed=frozenset())
            return
        async with self._opened() as file:
            yield SchemaList((catalog.SCHEMA,))
            tables, views = await file.call(file.names, wanted)
            sizes = await file.call(file.sizes)
            step = self.surroundings.unit_tables
            for start in range(0, len(tables), step):
                yield await file.call(file.unit, tables[start : start + step], sizes)
            for start in range(0, len(views), step):
                yield await file.call(file.views, views[start : start + step])
            yield Unit(catalog.SCHEMA, last=True, listed=frozenset((*tables, *views)))

    def _is_still_to_come(self) -> bool:
        """A file that whoever writes first will make is an empty database; a scan makes nothing."""
        path = sqlite.path_of(self.surroundings.sqlite_root, self.resource)
        target = self.resource.connection
        return isinstance(target, SqliteConnection) and target.create and not path.exists()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator["_File"]:
        path = sqlite.path_of(self.surroundings.sqlite_root, self.resource)
        connection = await asyncio.to_thread(sqlite.connect, path, any_thread=True, max_bytes=_LONGEST)
        connection.row_factory = sqlite3.Row
        try:
            yield _File(connection, self.surroundings.statement_timeout)
        except sqlite3.Error as error:
            raise sqlite.failure_of(error) from None
        finally:
            connection.close()


class _File:
    """An open file and what is read from it; each call runs in a thread and ends by the time limit."""

    def __init__(self, connection: sqlite3.Connection, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._deadline = float("inf")
        self._views_until = float("inf")
        self._expansions: Expansions | None = None
        self._stopped = threading.Event()
        connection.set_progress_handler(self._must_stop, _CHECK_EVERY)

    async def call(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Run it in a thread. A cancelled caller waits until SQLite has let go."""
        self._deadline = time.monotonic() + self._timeout
        task = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **options))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stopped.set()
            await asyncio.wait([task])
            raise

    def describe(self) -> DatabaseInfo:
        ask = self._one
        return DatabaseInfo(
            name=catalog.SCHEMA,
            charset=str(ask("PRAGMA encoding")),
            collation="BINARY",
            table_count=sum(map(len, catalog.names(self._connection))),
            total_size_bytes=ask("PRAGMA page_count") * ask("PRAGMA page_size"),
        )

    def names(self, wanted: TableFilter) -> tuple[list[str], list[str]]:
        """The names of tables and of views that the filter lets through, in their order."""
        include = [_glob(each.table) for each in wanted.include if _covers(each)]
        exclude = [_glob(each.table) for each in wanted.exclude if _covers(each)]
        if wanted.include and not include:
            return [], []
        return catalog.names(self._connection, include or ["*"], exclude)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Bytes by table, where the file is small enough and this SQLite can tell."""
        if self._one("PRAGMA page_count") * self._one("PRAGMA page_size") > _MEASURED:
            return {}
        try:
            return catalog.page_sizes(self._connection)
        except sqlite3.OperationalError:
            if self._stopped.is_set():
                raise
            return {}

    def unit(self, names: Sequence[str], sizes: dict[str, tuple[int, int]]) -> Unit:
        """The tables of a bucket; when reading them together fails, one by one."""
        volumes = {name: (self._row_count(name), *sizes.get(name, (None, None))) for name in names}
        try:
            return Unit(catalog.SCHEMA, self._read(names, volumes))
        except sqlite3.Error:
            if self._stopped.is_set():
                raise
        return self._one_by_one(names, volumes)

    def views(self, names: Sequence[str]) -> Unit:
        """The views of a bucket, one by one: SQLite expands a view without looking at the clock.

        All views of the file have one time limit together, and what needs too much expanding isn't begun.
        """
        if self._expansions is None:
            self._expansions = Expansions(catalog.view_texts(self._connection))
            self._views_until = self._deadline
        self._deadline = self._views_until
        return self._one_by_one(names, {})

    def _one_by_one(self, names: Sequence[str], volumes: dict[str, catalog.Volume]) -> Unit:
        tables: list[TableInfo] = []
        failures: list[TableFailure] = []
        for name in names:
            try:
                reason = self._hindrance(name)
                if reason is None:
                    tables += self._read([name], volumes)
            except sqlite3.Error as error:
                reason = _reason(error)
            if self._stopped.is_set():
                raise sqlite3.OperationalError("interrupted")
            if reason is not None:
                failures.append(TableFailure(catalog.SCHEMA, name, reason))
        return Unit(catalog.SCHEMA, tables, failures)

    def _hindrance(self, view: str) -> str | None:
        if self._must_stop():
            return _TOO_LONG
        if self._expansions is not None and self._expansions.are_too_many(view):
            return "it is made of too many other views for reading it in time"
        return None

    def _read(self, names: Sequence[str], volumes: dict[str, catalog.Volume]) -> list[TableInfo]:
        return catalog.read_tables(self._connection, _json(names), volumes)

    def _row_count(self, name: str) -> int | None:
        """Exact for a small table; else the range of its rowids; None for what has none."""
        quoted = sqlite.quote(name)
        try:
            counted = self._one(f"SELECT count(*) FROM (SELECT 1 FROM {quoted} LIMIT {_COUNTED + 1})")  # noqa: S608 - a quoted name
            if counted <= _COUNTED:
                return int(counted)
            estimate = self._one(f"SELECT max(rowid) - min(rowid) + 1 FROM {quoted}")  # noqa: S608 - a quoted name
            return int(estimate)
        except (sqlite3.Error, TypeError):
            if self._stopped.is_set():
                raise
            return None

    def _one(self, query: str, *parameters: object) -> Any:
        row = self._connection.execute(query, parameters).fetchone()
        return row[0] if row is not None else None

    def _must_stop(self) -> bool:
        return self._stopped.is_set() or time.monotonic() > self._deadline


def _covers(pattern: TablePattern) -> bool:
    return TablePattern(schema=pattern.schema).matches(catalog.SCHEMA, "")


def _glob(pattern: str) -> str:
    """A pattern of ours as one of GLOB, where a bracket has a meaning too."""
    return pattern.replace("[", "[[]")


def _json(names: Sequence[str]) -> str:
    return orjson.dumps(list(names)).decode()


def _reason(error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
        return _TOO_LONG
    return "SQLite can't read it: it refers to something that doesn't exist, or needs a missing extension"
