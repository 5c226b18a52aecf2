"""Data tables in PostgreSQL: read the catalog, run a plan in one transaction."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

from services.etl.tables.definition import Location
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.dialects.postgresql import Postgresql
from services.etl.tables.errors import SchemaMissing, TargetBusy, TargetLost, TargetRefused
from services.etl.tables.physical import Mark, Physical, PhysicalColumn, PhysicalIndex, Sight
from shared.contracts.connection import ResourceConnection
from shared.engines import postgresql
from shared.errors import PenstockError
from shared.security.guard import OutboundPolicy

from .base import Decide

_STATEMENT_SECONDS: Final = 60.0
_KINDS: Final[Mapping[str, str]] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "i": "index",
    "I": "index",
    "c": "composite type",
}
_RELATION: Final = """
SELECT c.oid, c.relkind, coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') AS comment
  FROM pg_catalog.pg_namespace n
  LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = $2
 WHERE n.nspname = $1
"""
_COLUMNS: Final = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS "default",
       CASE WHEN a.attgenerated <> '' THEN 'generated'
            WHEN a.attidentity <> '' THEN 'identity' ELSE '' END AS extra,
       coalesce(pg_catalog.col_description(a.attrelid, a.attnum), '') AS comment
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
_INDEXES: Final = """
SELECT c.relname, i.indisprimary, i.indisunique,
       ARRAY(SELECT a.attname
               FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE k.position <= i.indnkeyatts
              ORDER BY k.position)::text[] AS columns
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
 WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
 ORDER BY c.relname
"""
_REASONS: Final[Mapping[str, str]] = {
    "42501": "the user of the resource lacks the privilege for it",
    "2BP01": "other objects, such as views, depend on the table",
    "42P07": "a relation of one of the names is there already",
    "42710": "an object of one of the names is there already",
    "53100": "the server's disk is full",
    "25006": "the server is read-only",
}
_BUSY: Final = frozenset({"55P03", "40P01", "57014", "40001"})


class PostgresqlTarget:
    """A PostgreSQL database, through a connection for each call."""

    def __init__(self, resource: ResourceConnection, policy: OutboundPolicy) -> None:
        self._resource = resource
        self._policy = policy
        self._dialect = Postgresql()

    async def look(self, location: Location, table_id: UUID) -> Sight:
        """As `Target.look`."""
        async with self._connected(read_only=True) as connection, _transaction(connection, readonly=True):
            return await self._seen(connection, location, table_id)

    async def apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        """As `Target.apply`. Publishes of one table wait for each other, and for a run that writes."""
        async with self._connected(read_only=False) as connection, _transaction(connection):
            await connection.execute(
                "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))",
                f"penstock publish {location.key}",
            )
            before = await self._seen(connection, location, table_id)
            if before.physical is not None and before.physical.kind == "table":
                await connection.execute(f"LOCK TABLE {self._dialect.at(location)} IN ACCESS EXCLUSIVE MODE")
                before = await self._seen(connection, location, table_id)
            for statement in decide(before):
                await connection.execute(statement)
            return await self._seen(connection, location, table_id)

    @asynccontextmanager
    async def _connected(self, *, read_only: bool) -> AsyncIterator[Any]:
        connection = await postgresql.connect(
            self._resource,
            policy=self._policy,
            application_name="penstock tables",
            read_only=read_only,
            statement_timeout=_STATEMENT_SECONDS,
        )
        try:
            with _translated():
                # Our literals double their quotes and nothing else: a backslash must mean itself.
                await connection.execute("SET standard_conforming_strings = on")
                yield connection
        finally:
            connection.terminate()

    async def _seen(self, connection: Any, location: Location, table_id: UUID) -> Sight:
        relation = await connection.fetchrow(_RELATION, location.schema, location.name)
        if relation is None:
            raise SchemaMissing(schema_name=location.schema)
        mark = await self._mark(connection, location, table_id)
        if relation["oid"] is None:
            return Sight(None, mark)
        return Sight(await _physical(connection, relation), mark)

    async def _mark(self, connection: Any, location: Location, table_id: UUID) -> Mark | None:
        marks = self._dialect.at(location, MARKS)
        if await connection.fetchval("SELECT pg_catalog.to_regclass($1)", marks) is None:
            return None
        row = await connection.fetchrow(
            f"SELECT revision, fingerprint FROM {marks} WHERE table_id = $1 AND table_name = $2",  # noqa: S608 - quoted identifiers and literals only
            table_id,
            location.name,
        )
        return Mark(table_id, row["revision"], row["fingerprint"]) if row else None


async def _physical(connection: Any, relation: Any) -> Physical:
    kind = relation["relkind"]
    if isinstance(kind, bytes):
        kind = kind.decode()
    if kind != "r":
        return Physical(_KINDS.get(kind, "relation"))
    columns = await connection.fetch(_COLUMNS, relation["oid"])
    indexes = await connection.fetch(_INDEXES, relation["oid"])
    return Physical(
        kind="table",
        columns=tuple(
            PhysicalColumn(
                name=row["attname"],
                type=row["type"],
                nullable=row["nullable"],
                default=row["default"],
                extra=row["extra"],
                comment=row["comment"],
            )
            for row in columns
        ),
        primary_key=next((tuple(row["columns"]) for row in indexes if row["indisprimary"]), ()),
        indexes=tuple(
            PhysicalIndex(row["relname"], tuple(row["columns"]), row["indisunique"])
            for row in indexes
            if not row["indisprimary"]
        ),
        comment=relation["comment"],
    )


@asynccontextmanager
async def _transaction(connection: Any, *, readonly: bool = False) -> AsyncIterator[None]:
    isolation = "repeatable_read" if readonly else "read_committed"
    async with connection.transaction(isolation=isolation, readonly=readonly):
        yield


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors in our words: what the server says may quote SQL or values."""
    try:
        yield
    except PenstockError:
        raise
    except asyncpg.PostgresError as error:
        raise _refusal(error) from None
    except (asyncpg.InterfaceError, OSError, EOFError) as error:
        raise TargetLost from error


def _refusal(error: asyncpg.PostgresError) -> PenstockError:
    state = getattr(error, "sqlstate", None) or "unknown"
    if state in _BUSY:
        return TargetBusy()
    if state.startswith(("08", "57P")):
        return TargetLost()
    return TargetRefused(reason=_REASONS.get(state, f"SQLSTATE {state}"))
