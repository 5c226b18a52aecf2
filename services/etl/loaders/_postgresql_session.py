"""Reading from PostgreSQL: COPY as CSV, in a transaction that can't write."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from services.etl.columns import MAX_PRECISION, ColumnType
from services.etl.loaders import _postgresql_cells as cells
from services.etl.loaders import _postgresql_keys
from services.etl.loaders._base import Source
from services.etl.loaders._database_cells import Raw
from services.etl.loaders._database_keys import UniqueKey, Values
from services.etl.loaders._database_loader import Query, Relation, Table
from services.etl.loaders._database_session import SAMPLE, Selection, Session
from services.etl.loaders._database_sql import FoundColumn, PostgresqlSql
from services.etl.loaders._loop_thread import LoopThread, Put
from services.etl.pipeline.errors import SourceBusy, SourceChanged, SourceInvalid
from services.etl.tables.dialects import DIALECTS
from shared.engines import postgresql
from shared.errors import PenstockError

T = TypeVar("T")
BLOCK_BYTES: Final = 1 << 20
LONGEST_ROW: Final = 64 << 20
_FULL_BYTES: Final = 64 << 10
_NAP_SECONDS: Final = 0.001
"""A server sends 8 KiB at a time, and each arrival costs the driver as much as parsing them: who lets the
socket fill while the server goes on works a quarter as long (measured: 0.8 s and 0.2 s for 110 MB)."""

_SETTINGS: Final = """
    SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET standard_conforming_strings = on;
    SET idle_in_transaction_session_timeout = 0"""
"""Texts that mean their values exactly (manual, section 20.11.2). A slow target may let the session wait."""

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TABLE: Final = """
    SELECT c.oid, c.relkind::text AS kind, c.reltuples::bigint AS rows
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2"""
_COLUMNS: Final = """
    SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS spelled,
           a.attnotnull AS not_null
    FROM pg_catalog.pg_attribute AS a
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum"""
_READABLE: Final = frozenset({"r", "p", "v", "m", "f"})
_REFUSED: Final = {
    "42501": "the user may not read it",
    "42P01": "it names a table that is not there",
    "42703": "it names a column that is not there",
    "42883": "it names a function or operator that is not there",
    "42601": "its SQL can't be read",
    "25006": "it would write",
}
_BUSY: Final = ("40", "53", "55P03", "57", "58")


class PostgresqlSession(Session):
    """A session with PostgreSQL; its driver works in an event loop of its own."""

    sql = PostgresqlSql()
    key_sql = _postgresql_keys.PostgresqlKeys()
    copied = 0
    """Rows of the last COPY, by the server's count."""

    def __init__(self, source: Source) -> None:
        self._connection: Any = None
        self._loop = LoopThread()
        try:
            self._call(lambda: self._open(source))
        except BaseException:
            self.close()
            raise

    async def _open(self, source: Source) -> None:
        assert source.connection is not None
        self._connection = await postgresql.connect(
            source.connection,
            policy=source.policy,
            application_name="penstock source",
            statement_timeout=0,
            timeout=15.0,
        )
        await self._connection.execute(_SETTINGS)
        await self._connection.execute(_BEGIN)

    def columns(self, relation: Relation) -> list[FoundColumn]:
        return self._call(
            lambda: self._of_query(relation) if isinstance(relation, Query) else self._of_table(relation)
        )

    async def _of_table(self, table: Table) -> list[FoundColumn]:
        found = await self._connection.fetchrow(_TABLE, table.schema or "public", table.name)
        if found is None or found["kind"] not in _READABLE:
            raise SourceChanged(reason="its table is not there")
        rows = await self._connection.fetch(_COLUMNS, found["oid"])
        return [_found(row["name"], row["spelled"], nullable=not row["not_null"]) for row in rows]

    async def _of_query(self, query: Query) -> list[FoundColumn]:
        """Prepare it as it is: the server takes no more than one statement so."""
        await self._connection.prepare(query.text)
        statement = await self._connection.prepare(self.sql.select(["*"], query, [], limit=None))
        attributes = statement.get_attributes()
        spelled = await self._connection.fetch(
            "SELECT pg_catalog.format_type(t, NULL) AS spelled FROM pg_catalog.unnest($1::oid[]) AS t",
            [attribute.type.oid for attribute in attributes],
        )
        return [
            _found(attribute.name, row["spelled"], nullable=True)
            for attribute, row in zip(attributes, spelled, strict=True)
        ]

    def guess(self, relation: Relation, column: FoundColumn) -> ColumnType | None:
        """For numbers without a declared scale, the largest among the first."""
        if column.spelled != "numeric":
            return None
        name = self.sql.quote(column.name)
        sample = self.sql.select([name], relation, [f"{name} IS NOT NULL"], limit=SAMPLE)
        scale = self.value(f"SELECT max(scale({name}))::text FROM ({sample}) AS s")  # noqa: S608  quoted
        return ColumnType("decimal", precision=MAX_PRECISION, scale=min(int(scale or 0), MAX_PRECISION))

    def value(self, statement: str) -> str | None:
        found: str | None = self._call(lambda: self._connection.fetchval(statement))
        return found

    def keys(self, table: Table, _found: Sequence[FoundColumn]) -> list[UniqueKey]:
        arguments = (table.schema or "public", table.name)
        found = self._call(lambda: self._connection.fetch(_postgresql_keys.UNIQUE, *arguments))
        return _postgresql_keys.keys_of(found)

    def rest(self) -> None:
        self._call(lambda: self._said("COMMIT"))

    def renew(self) -> None:
        self._call(lambda: self._said(f"{_BEGIN}; {_postgresql_keys.SETTINGS}"))

    async def _said(self, statement: str) -> None:
        if self._connection.is_closed():
            raise ConnectionResetError
        if self._connection.is_in_transaction() and statement != "COMMIT":
            statement = f"COMMIT; {statement}"
        await self._connection.execute(statement)

    def first(self, statement: str, _count: int, _values: Values) -> Values | None:
        found = self._call(lambda: self._connection.fetchrow(statement))
        return None if found is None else tuple(found)

    def expected(self, relation: Relation) -> int | None:
        if isinstance(relation, Query):
            return None
        arguments = (relation.schema or "public", relation.name)
        found = self._call(lambda: self._connection.fetchrow(_TABLE, *arguments))
        return found["rows"] if found is not None and found["rows"] >= 0 else None

    def rows(self, selection: Selection) -> Iterator[Raw]:
        plan = cells.Plan(self, selection)
        given = 0

        async def produce(put: Put[bytes]) -> None:
            await self._copied(plan.statement, put, format="csv", force_quote=plan.quoted or None)

        for block in self._guarded_items(self._loop.stream(produce)):
            raw = plan.parsed(block)
            given += len(raw)
            yield raw
        if self.copied != given:
            raise SourceChanged(reason=f"{given} rows could be read, and the server sent {self.copied}")

    def binary(self, selection: Selection) -> Iterator[bytes]:
        """The rows in COPY's binary form. `copied` is their number afterwards."""
        names = [self.sql.quote(name) for name in selection.columns.names]
        statement = self.sql.select(names, selection.relation, selection.conditions, limit=selection.limit)

        async def produce(put: Put[bytes]) -> None:
            await self._copied(f"{statement}\n", put, format="binary")

        yield from self._guarded_items(self._loop.stream(produce))

    async def _copied(self, statement: str, put: Put[bytes], **form: Any) -> None:
        """Bytes of COPY, cut where a row ends: each message is one (manual, section 55.2.6)."""
        held: list[bytes] = []
        size = 0

        async def take(data: bytes) -> None:
            nonlocal size
            held.append(data)
            size += len(data)
            self.bytes_read += len(data)
            if size > LONGEST_ROW:
                raise SourceInvalid(reason=f"it has a row of more than {LONGEST_ROW >> 20} MiB")
            if size >= BLOCK_BYTES:
                await put(b"".join(held))
                held.clear()
                size = 0
            if len(data) < _FULL_BYTES:
                await asyncio.sleep(_NAP_SECONDS)

        status: str = await self._connection.copy_from_query(statement, output=take, **form)
        if held:
            await put(b"".join(held))
        self.copied = int(status.rpartition(" ")[2])

    def close(self) -> None:
        self._loop.close(self._ended)

    async def _ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=1.0)
            except (*postgresql.DRIVER_ERRORS, asyncpg.InternalClientError):
                connection.terminate()

    def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        async def done() -> T:
            return await work()

        try:
            return self._loop.call(done())
        except PenstockError:
            raise
        except (*postgresql.DRIVER_ERRORS, asyncpg.InternalClientError) as error:
            raise explained(error) from error

    def _guarded_items(self, items: Iterator[T]) -> Iterator[T]:
        try:
            yield from items
        except PenstockError:
            raise
        except (*postgresql.DRIVER_ERRORS, asyncpg.InternalClientError) as error:
            raise explained(error) from error


def explained(error: BaseException) -> PenstockError:
    """The error of a job for one of the driver, without values and SQL.

    A session that was open and that the driver can't use any longer was ended by somebody else.
    """
    if isinstance(error, asyncpg.InternalClientError | asyncpg.InterfaceError):
        return postgresql.failure_of(ConnectionResetError())
    if isinstance(error, asyncpg.PostgresError) and not postgresql.is_lost(error):
        state: str = getattr(error, "sqlstate", None) or "XX000"
        if state in _REFUSED:
            return SourceInvalid(reason=_REFUSED[state])
        if state.startswith(_BUSY):
            return SourceBusy(reason=f"the server ended the reading with SQLSTATE {state}")
        return SourceInvalid(reason=f"the server refused to read it with SQLSTATE {state}")
    return postgresql.failure_of(error)


def _found(name: str, spelled: str, *, nullable: bool) -> FoundColumn:
    return FoundColumn(name, spelled, DIALECTS["postgresql"].type_of(spelled), nullable=nullable)
