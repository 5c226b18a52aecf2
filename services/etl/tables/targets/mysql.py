"""Data tables in MySQL and MariaDB: read the catalog, run a plan whose every statement commits by itself."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

from services.etl.tables.definition import Location
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.dialects.mysql import Mysql
from services.etl.tables.errors import SchemaMissing, TargetBusy, TargetHalfway, TargetLost, TargetRefused
from services.etl.tables.physical import Mark, Sight
from shared.contracts.connection import ResourceConnection
from shared.engines import mysql
from shared.errors import PenstockError
from shared.security.guard import OutboundPolicy

from . import _mysql_catalog as catalog
from .base import Decide

_STATEMENT_SECONDS: Final = 60.0
_LOCK_SECONDS: Final = 10
_PATIENCE_SECONDS: Final = 15.0
"""More than the server's own bounds: whoever doesn't answer then is lost."""

_REASONS: Final[Mapping[int, str]] = {
    1044: "the user of the resource lacks the privilege for it",
    1142: "the user of the resource lacks the privilege for it",
    1227: "the user of the resource lacks the privilege for it",
    1370: "the user of the resource lacks the privilege for it",
    1050: "a table or view of that name is there already",
    1071: "a key is longer than the server allows",
    1118: "a row could be longer than the server has room for",
    1021: "the server's disk is full",
    1114: "the server's disk is full",
    1290: "the server is read-only",
    1792: "the server is read-only",
    1836: "the server is read-only",
    1217: "other objects, such as foreign keys, depend on the table",
    1451: "other objects, such as foreign keys, depend on the table",
    3730: "other objects, such as foreign keys, depend on the table",
    3750: "the server wants a primary key in every table",
}
_BUSY: Final = frozenset({1205, 1213, 1969, 3024, 3572})
"""Locks that don't come free, a deadlock, a statement that took too long."""

_NONSENSE: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What reading stumbles over when rows have another shape than those of a catalog."""

_MARK: Final = "SELECT state, revision, fingerprint FROM {marks} WHERE table_id = %s AND table_name = %s"


class MysqlTarget:
    """A server of MySQL or MariaDB, through a connection for each call."""

    def __init__(self, resource: ResourceConnection, policy: OutboundPolicy) -> None:
        self._resource = resource
        self._policy = policy
        self._dialect = Mysql()

    async def look(self, location: Location, table_id: UUID) -> Sight:
        """As `Target.look`."""
        async with self._connected(read_only=True) as connection:
            return await self._seen(connection, location, table_id)

    async def apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        """As `Target.apply`. Publishes of one table wait for each other, and for a run that writes."""
        async with self._connected(read_only=False) as connection:
            await _lock(connection, location)
            before = await self._seen(connection, location, table_id)
            await connection.rollback()  # what was read is not to be held
            statements = decide(before)
            try:
                for statement in statements:
                    await connection.query(statement)
                await connection.commit()
            except mysql.DRIVER_ERRORS as error:
                refusal = _refusal(error)
                if isinstance(refusal, TargetLost):
                    raise refusal from None
                await connection.rollback()
                after = await self._seen(connection, location, table_id)
                if after.physical != before.physical:
                    raise TargetHalfway(reason=_reason(error)) from None
                raise refusal from None
            return await self._seen(connection, location, table_id)

    @asynccontextmanager
    async def _connected(self, *, read_only: bool) -> AsyncIterator[Any]:
        connection = await mysql.connect(
            self._resource,
            policy=self._policy,
            application_name="penstock tables",
            read_only=read_only,
            statement_timeout=_STATEMENT_SECONDS,
            database="",
        )
        try:
            async with asyncio.timeout(_STATEMENT_SECONDS + _PATIENCE_SECONDS):
                yield connection
        except PenstockError:
            raise
        except TimeoutError as error:
            raise TargetLost from error
        except mysql.DRIVER_ERRORS as error:
            raise _refusal(error) from None
        finally:
            connection.close()

    async def _seen(self, connection: Any, location: Location, table_id: UUID) -> Sight:
        try:
            return await self._read(connection, location, table_id)
        except _NONSENSE as error:
            raise TargetRefused(reason="its catalog answers something else than it was asked") from error

    async def _read(self, connection: Any, location: Location, table_id: UUID) -> Sight:
        assert location.schema is not None, "a table lies in a database here"
        async with connection.cursor() as cursor:
            await cursor.execute(
                "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (location.schema,)
            )
            if await cursor.fetchone() is None:
                raise SchemaMissing(schema_name=location.schema)
            is_mariadb = mysql.server_of(connection).is_mariadb
            physical = await catalog.relation(cursor, location.schema, location.name, is_mariadb=is_mariadb)
            marks = await self._marks(cursor, location, table_id)
        return Sight(physical, marks.get("published"), begun=marks.get("begun"))

    async def _marks(self, cursor: Any, location: Location, table_id: UUID) -> dict[str, Mark]:
        await cursor.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (location.schema, MARKS),
        )
        if await cursor.fetchone() is None:
            return {}
        query = _MARK.format(marks=self._dialect.at(location, MARKS).replace("%", "%%"))
        await cursor.execute(query, (str(table_id), location.name))
        return {
            state: Mark(table_id, revision, fingerprint)
            for state, revision, fingerprint in await cursor.fetchall()
        }


async def _lock(connection: Any, location: Location) -> None:
    """Hold the table's lock among publishes until the session ends."""
    name = hashlib.blake2b(location.key.encode(), digest_size=20).hexdigest()
    async with connection.cursor() as cursor:
        await cursor.execute("SELECT GET_LOCK(%s, %s)", (f"penstock publish {name}", _LOCK_SECONDS))
        (held,) = mysql.only(await cursor.fetchall())
    if held != 1:
        raise TargetBusy


def _refusal(error: Exception) -> PenstockError:
    """The driver's errors in our words: what the server says may quote SQL or values."""
    if mysql.is_lost(error):
        return TargetLost()
    if mysql.number_of(error) in _BUSY:
        return TargetBusy()
    return TargetRefused(reason=_reason(error))


def _reason(error: Exception) -> str:
    number = mysql.number_of(error)
    return _REASONS.get(number or 0, f"error {number}")
