"""Scan PostgreSQL 12 and later: a handful of set-based queries for each bucket of tables."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from services.meta.scanners import _postgresql_catalog as catalog
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
from services.meta.scanners._postgresql_mapping import CatalogRows, map_tables
from shared.engines import postgresql
from shared.engines.errors import ConnectFailed, ConnectRefused

_OLDEST: Final = 12
_AT_ONCE: Final = 2
"""Connections to one server at a time: somebody works there."""
_RETRIED: Final = frozenset({"40001", "40P01", "57014"})
"""Conflicts with recovery on a standby, and what the next attempt may not meet again."""

_REASONS: Final[Mapping[str, str]] = {
    "55P03": LOCKED,
    "57014": TOO_LONG,
    "42501": FORBIDDEN,
}


class PostgresqlScanner(Scanner):
    """Read the catalog of a PostgreSQL server from pg_catalog, read-only."""

    name = "postgresql"
    capabilities = Capabilities(many_databases=True, schemas=True, comments=True, owners=True)

    async def list_databases(self) -> list[DatabaseInfo]:
        """Databases without templates; where the user may enter, with the number of tables."""
        async with self._session(None) as connection:
            rows = await _fetch(connection, catalog.DATABASES.format(collation=_collation(connection)))
        slots = asyncio.Semaphore(_AT_ONCE)
        return list(await asyncio.gather(*(self._database(row, slots) for row in rows)))

    async def scan(self, database: str, wanted: TableFilter) -> AsyncGenerator[SchemaList | Unit, None]:
        """Schema by schema, in buckets of tables; each bucket is one read-only snapshot."""
        async with self._session(database) as connection:
            found = await _fetch(connection, catalog.SCHEMAS, *_schema_patterns(wanted))
            yield SchemaList(tuple(row["name"] for row in found))
            for row in found:
                async for unit in self._schema(connection, row["oid"], row["name"], wanted=wanted):
                    yield unit

    @asynccontextmanager
    async def _session(self, database: str | None) -> AsyncIterator[Any]:
        connection = await postgresql.connect(
            self.resource,
            policy=self.surroundings.policy,
            application_name="penstock-meta",
            statement_timeout=self.surroundings.statement_timeout,
            timeout=self.surroundings.connect_timeout,
            database=database,
        )
        try:
            await self._prepare(connection)
            yield connection
        except postgresql.DRIVER_ERRORS as error:
            raise postgresql.failure_of(error) from None
        finally:
            connection.terminate()

    async def _prepare(self, connection: Any) -> None:
        major = connection.get_server_version().major
        if major < _OLDEST:
            raise ConnectRefused(step="database", reason=f"PostgreSQL {major} is older than {_OLDEST}")
        # Without a search path, types, expressions and views are spelled the same for every user.
        # Compiling a catalog query takes longer than running it.
        await connection.execute(
            "SELECT set_config('search_path', '', false), set_config('jit', 'off', false),"
            " set_config('lock_timeout', $1, false)",
            str(round(self.surroundings.lock_timeout * 1000)),
        )

    async def _database(self, row: Mapping[str, Any], slots: asyncio.Semaphore) -> DatabaseInfo:
        count, failure = None, None
        if row["is_accessible"]:
            async with slots:
                try:
                    async with self._session(row["name"]) as connection:
                        count = (await _fetch(connection, catalog.TABLE_COUNT))[0]["count"]
                except ConnectFailed as error:
                    failure = str(error)
        return DatabaseInfo(**row, table_count=count, failure=failure)

    async def _schema(
        self, connection: Any, oid: int, schema: str, *, wanted: TableFilter
    ) -> AsyncIterator[Unit]:
        try:
            rows = await _fetch(connection, catalog.LISTING, oid, *_table_patterns(wanted))
        except postgresql.DRIVER_ERRORS as error:
            if postgresql.is_lost(error):
                raise
            yield Unit(schema, failures=[TableFailure(schema, None, _reason(error))], last=True)
            return
        names = {row["oid"]: row["name"] for row in rows}
        part = Part(
            schema,
            name=names.__getitem__,
            read=lambda oids: self._bucket(connection, oids),
            refused=_refused,
            failures_left=self.surroundings.max_failures,
        )
        oids, size = list(names), self.surroundings.unit_tables
        for start in range(0, len(oids), size):
            yield Unit(schema, *await part.bucket(oids[start : start + size]))
        yield Unit(schema, last=True, listed=frozenset(names.values()))

    async def _bucket(self, connection: Any, oids: Sequence[int]) -> Bucket:
        return await asyncio.to_thread(map_tables, await self._rows_with_retry(connection, oids))

    async def _rows_with_retry(self, connection: Any, oids: Sequence[int]) -> CatalogRows:
        try:
            return await self._rows(connection, oids)
        except postgresql.DRIVER_ERRORS as error:
            if getattr(error, "sqlstate", None) not in _RETRIED:
                raise
        return await self._rows(connection, oids)

    async def _rows(self, connection: Any, oids: Sequence[int]) -> CatalogRows:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            relations = await connection.fetch(catalog.RELATIONS, oids)
            columns = await connection.fetch(catalog.COLUMNS, oids)
            constraints = await connection.fetch(
                catalog.CONSTRAINTS.format(nulls_distinct=_nulls_distinct(connection)), oids
            )
            indexes = await connection.fetch(catalog.INDEXES, oids)
            enums = {row["enum"] for row in columns if row["enum"]}
            targets = {row["target"] for row in constraints if row["target"]}.difference(oids)
            roots = [row["oid"] for row in relations if row["kind"] == "p"]
            return CatalogRows(
                relations=relations,
                columns=columns,
                constraints=constraints,
                indexes=indexes,
                enums=await connection.fetch(catalog.ENUMS, list(enums)) if enums else (),
                target_names=await connection.fetch(catalog.NAMES, list(targets)) if targets else (),
                partitions=await connection.fetch(catalog.PARTITIONS, roots) if roots else (),
                sizes=await _exact_sizes(connection, relations),
            )


async def _exact_sizes(connection: Any, relations: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """Sizes of what was never vacuumed: its relpages say 0. A lock makes them unknown, not a failure."""
    oids = [row["oid"] for row in relations if row["kind"] in {"r", "m"} and row["pages"] <= 0]
    if not oids:
        return ()
    try:
        async with connection.transaction():
            found: Sequence[Any] = await connection.fetch(catalog.SIZES, oids)
            return found
    except postgresql.DRIVER_ERRORS as error:
        if postgresql.is_lost(error):
            raise
        return ()


async def _fetch(connection: Any, query: str, *arguments: object) -> Sequence[Any]:
    async with connection.transaction(readonly=True):
        rows: Sequence[Any] = await connection.fetch(query, *arguments)
        return rows


def _collation(connection: Any) -> str:
    major = connection.get_server_version().major
    if major >= 17:  # noqa: PLR2004 - the versions that renamed the column (release notes)
        return "coalesce(d.datlocale, d.datcollate)"
    return "coalesce(d.daticulocale, d.datcollate)" if major >= 15 else "d.datcollate"  # noqa: PLR2004 - as above


def _nulls_distinct(connection: Any) -> str:
    has_it = connection.get_server_version().major >= 15  # noqa: PLR2004 - NULLS NOT DISTINCT came with 15
    return "coalesce(NOT i.indnullsnotdistinct, true)" if has_it else "true"


def _schema_patterns(wanted: TableFilter) -> tuple[list[str], list[str]]:
    whole = [each.schema for each in wanted.exclude if each.table == "*"]
    return [_like(each.schema) for each in wanted.include], [_like(schema) for schema in whole]


def _table_patterns(wanted: TableFilter) -> tuple[list[str], ...]:
    def columns(patterns: Sequence[TablePattern]) -> tuple[list[str], list[str]]:
        return [_like(each.schema) for each in patterns], [_like(each.table) for each in patterns]

    return (*columns(wanted.include), *columns(wanted.exclude))


def _like(pattern: str) -> str:
    """A pattern of ours as one of LIKE: `*` and `?` have a meaning, everything else stands for itself."""
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%").replace("?", "_")


def _refused(error: Exception) -> str | None:
    is_answer = isinstance(error, postgresql.DRIVER_ERRORS) and not postgresql.is_lost(error)
    return _reason(error) if is_answer else None


def _reason(error: BaseException) -> str:
    state = getattr(error, "sqlstate", None)
    return _REASONS.get(state or "", f"the server refused with SQLSTATE {state or 'unknown'}")
