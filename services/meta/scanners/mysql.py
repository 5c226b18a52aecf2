"""Scan MySQL 8 and MariaDB: a handful of set-based queries for each bucket of tables."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from services.meta.scanners import _mariadb
from services.meta.scanners import _mysql_catalog as catalog
from services.meta.scanners._base import Capabilities, Scanner
from services.meta.scanners._buckets import FORBIDDEN, LOCKED, TOO_LONG, Bucket, Part
from services.meta.scanners._model import (
    DatabaseInfo,
    SchemaList,
    TableFailure,
    TableFilter,
    TablePattern,
    Unit,
)
from services.meta.scanners._mysql_mapping import CatalogRows, Row, by_relation, map_tables
from shared.engines import mysql
from shared.engines.errors import ConnectRefused

_LONGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of what one query tells of a bucket: 500 tables of a hundred columns take twenty million."""

_NO_ACCESS: Final = 1044
_DENIED: Final = frozenset({_NO_ACCESS, 1142, 1143, 1370})
_RETRIED: Final = frozenset({1213, 1412, 1684, 1969, 3024})
"""Deadlocks, definitions that change just now, and what the next attempt may not meet again."""
_REASONS: Final = {
    1205: LOCKED,
    1969: TOO_LONG,
    3024: TOO_LONG,
    **dict.fromkeys(_DENIED, FORBIDDEN),
}


class MysqlScanner(Scanner):
    """Read information_schema of a server of MySQL or MariaDB, read-only. A database is its own schema."""

    name = "mysql"
    capabilities = Capabilities(many_databases=True, schemas=False, comments=True, owners=False)

    async def list_databases(self) -> list[DatabaseInfo]:
        """Databases without the server's own; where the user may enter, with the number of tables."""
        async with self._session("") as catalogs:
            found = await catalogs.rows(catalog.DATABASES)
            try:
                return [await catalogs.database(row) for row in found]
            except (KeyError, TypeError, ValueError) as error:
                reason = "its catalog answers something else than it was asked"
                raise ConnectRefused(step="database", reason=reason) from error

    async def scan(self, database: str, wanted: TableFilter) -> AsyncGenerator[SchemaList | Unit, None]:
        """The one schema of the database, in buckets of tables."""
        async with self._session(database) as catalogs:
            if not _covers(wanted, database):
                yield SchemaList(())
                return
            yield SchemaList((database,))
            async for unit in self._schema(catalogs, database, wanted):
                yield unit

    @asynccontextmanager
    async def _session(self, database: str) -> AsyncIterator["_Catalogs"]:
        connection = await mysql.connect(
            self.resource,
            policy=self.surroundings.policy,
            application_name="penstock-meta",
            statement_timeout=self.surroundings.statement_timeout,
            lock_timeout=self.surroundings.lock_timeout,
            timeout=self.surroundings.connect_timeout,
            database=database,
            longest_answer=_LONGEST_ANSWER,
        )
        try:
            server = mysql.server_of(connection)
            oldest = catalog.OLDEST[server.is_mariadb]
            if server.version < oldest:
                reason = f"{server.title} is older than {'.'.join(map(str, oldest))}"
                raise ConnectRefused(step="database", reason=reason)
            catalogs = _Catalogs(connection, server)
            await catalogs.rows(catalog.SHOWN_AS_WRITTEN)
            yield catalogs
        except mysql.DRIVER_ERRORS as error:
            raise mysql.failure_of(error) from None
        finally:
            connection.close()

    async def _schema(self, catalogs: "_Catalogs", schema: str, wanted: TableFilter) -> AsyncIterator[Unit]:
        try:
            listed = await catalogs.names(schema)
            granted_apart = await catalogs.granted_apart(schema)
        except mysql.DRIVER_ERRORS as error:
            if mysql.is_lost(error):
                raise
            yield Unit(schema, failures=[TableFailure(schema, None, _reason(error))], last=True)
            return
        names = sorted(name for name in listed if wanted.matches(schema, name))
        reader = _Reader(catalogs, schema, granted_apart)
        part = Part(
            schema,
            name=str,
            read=reader.bucket,
            refused=_refused,
            failures_left=self.surroundings.max_failures,
        )
        size = self.surroundings.unit_tables
        for start in range(0, len(names), size):
            yield Unit(schema, *await part.bucket(names[start : start + size]))
        yield Unit(schema, last=True, listed=frozenset(names))


class _Catalogs:
    """A session and what can be asked in it."""

    def __init__(self, connection: Any, server: mysql.Server) -> None:
        self._connection = connection
        self.server = server
        self.queries = catalog.queries_for(server)

    async def rows(self, query: str, *arguments: object) -> list[Row]:
        """The rows of a query by the labels of its columns; MySQL gives some texts as bytes."""
        async with self._connection.cursor() as cursor:
            await cursor.execute(query, arguments or None)
            labels = [column[0] for column in cursor.description or ()]
            found = await cursor.fetchall()
        if not self.server.is_mariadb:
            found = [tuple(map(_text, row)) for row in found]
        return [dict(zip(labels, row, strict=True)) for row in found]

    async def names(self, schema: str) -> list[str]:
        return [row["name"] for row in await self.rows(catalog.LISTING, schema)]

    async def granted_apart(self, schema: str) -> frozenset[str]:
        """Tables that the user was granted by their names or columns: a part of them may be hidden."""
        (own,) = await self.rows(catalog.ACCOUNT)
        user, _, host = own["account"].rpartition("@")
        place = (schema, f"'{user}'@'{host}'")
        return frozenset(row["name"] for row in await self.rows(catalog.GRANTED_APART, *place, *place))

    async def database(self, row: Row) -> DatabaseInfo:
        """One database with its volume. The server lists some that the user may not enter."""
        try:
            await self._connection.select_db(row["name"])
            (volume,) = await self.rows(catalog.VOLUME, row["name"])
        except mysql.DRIVER_ERRORS as error:
            if mysql.is_lost(error):
                raise
            entered = mysql.number_of(error) != _NO_ACCESS
            failure = str(mysql.failure_of(error)) if entered else None
            return DatabaseInfo(**row, is_accessible=entered, failure=failure)
        return DatabaseInfo(
            **row,
            table_count=volume["table_count"],
            total_size_bytes=int(volume["total_size_bytes"]),
        )

    async def create_table(self, schema: str, table: str) -> str | None:
        """The text of SHOW CREATE TABLE, None for who may not see the whole table."""
        query = catalog.CREATE.format(table=f"{mysql.quote(schema)}.{mysql.quote(table)}")
        try:
            (row,) = await self.rows(query)
        except mysql.DRIVER_ERRORS as error:
            if mysql.number_of(error) not in _DENIED:
                raise
            return None
        return str(row["Create Table"])


class _Reader:
    """Reads buckets of one database, and remembers what its user was shown."""

    def __init__(self, catalogs: _Catalogs, schema: str, granted_apart: frozenset[str]) -> None:
        self._catalogs = catalogs
        self._schema = schema
        self._granted_apart = granted_apart
        self._shows_checks = False

    async def bucket(self, names: Sequence[str]) -> Bucket:
        try:
            rows = await self._rows(names)
        except mysql.DRIVER_ERRORS as error:
            if mysql.number_of(error) not in _RETRIED:
                raise
            rows = await self._rows(names)
        is_mariadb = self._catalogs.server.is_mariadb
        return await asyncio.to_thread(map_tables, self._schema, rows, is_mariadb=is_mariadb)

    async def _rows(self, names: Sequence[str]) -> CatalogRows:
        queries = self._catalogs.queries
        found = await self._of(queries.tables, names, key="name")
        rows = CatalogRows(found, await self._of(queries.columns, names))
        tables = [row["name"] for row in found if row["kind"] != "VIEW"]
        views = [row["name"] for row in found if row["kind"] == "VIEW"]
        partitioned = [row["name"] for row in found if "partitioned" in (row["options"] or "")]
        rows.indexes = await self._of(queries.indexes, tables)
        rows.references = await self._of(queries.references, tables)
        rows.rules = await self._of(queries.rules, list(by_relation(rows.references)))
        rows.checks = await self._of(queries.checks, tables)
        rows.views = await self._of(queries.views, views)
        rows.partitions = await self._of(queries.partitions, partitioned)
        await self._complete(rows, tables)
        return rows

    async def _of(self, query: str, names: Sequence[str], *, key: str = "relation") -> list[Row]:
        """The rows of these tables and of no others: the server may compare names without their case."""
        if not names:
            return []
        wanted = frozenset(names)
        return [row for row in await self._catalogs.rows(query, self._schema, names) if row[key] in wanted]

    async def _complete(self, rows: CatalogRows, tables: Sequence[str]) -> None:
        """Get from the tables' own texts what information_schema hides from who may only read."""
        written = [
            (name, await self._catalogs.create_table(self._schema, name))
            for name in self._doubtful(rows, tables)
        ]
        texts = {name: _mariadb.read_create(name, text) for name, text in written if text is not None}
        rows.partial = frozenset(name for name, text in written if text is None)
        rows.rules = [row for row in rows.rules if row["relation"] not in texts]
        rows.rules += [rule for text in texts.values() for rule in text.rules]
        if self._catalogs.queries.hides_checks:
            rows.checks = [row for row in rows.checks if row["relation"] not in texts]
            rows.checks += [check for text in texts.values() for check in text.checks]

    def _doubtful(self, rows: CatalogRows, tables: Sequence[str]) -> list[str]:
        """Tables that may have more than was shown."""
        checked = frozenset(row["relation"] for row in rows.checks)
        ruled = frozenset(row["relation"] for row in rows.rules)
        referring = frozenset(row["relation"] for row in rows.references)
        reading = frozenset(
            name
            for name, columns in by_relation(rows.columns).items()
            if all(column["privileges"] == "select" for column in columns)
        )
        # Checks of a table that the user may only read show that the server hides none in this database.
        self._shows_checks |= bool((checked & reading) - self._granted_apart)
        hidden = reading - checked if self._catalogs.queries.hides_checks else frozenset[str]()
        if self._shows_checks:
            hidden &= self._granted_apart
        doubtful = hidden | (referring - ruled) | self._granted_apart
        return [name for name in tables if name in doubtful]


def _covers(wanted: TableFilter, database: str) -> bool:
    def covered(patterns: Sequence[TablePattern]) -> bool:
        return any(TablePattern(schema=each.schema).matches(database, "") for each in patterns)

    excluded = [each for each in wanted.exclude if each.table == "*"]
    return (not wanted.include or covered(wanted.include)) and not covered(excluded)


def _refused(error: Exception) -> str | None:
    is_answer = isinstance(error, mysql.DRIVER_ERRORS) and not mysql.is_lost(error)
    return _reason(error) if is_answer else None


def _reason(error: BaseException) -> str:
    number = mysql.number_of(error)
    return _REASONS.get(number or 0, f"the server refused with error {number or 'unknown'}")


def _text(value: Any) -> Any:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
