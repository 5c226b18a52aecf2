"""A session with MySQL or MariaDB that looks at a table or changes it; times in seconds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from services.etl.destinations import _mysql_sql as runs
from services.etl.tables.definition import Location
from services.etl.tables.dialects import Check, Dialect, Finding
from services.etl.tables.errors import SchemaMissing, TargetBusy, TargetLost, TargetRefused
from services.etl.tables.physical import FOREIGN, Physical, Place, Sight
from shared.contracts.connection import ResourceConnection
from shared.engines import mysql
from shared.errors import PenstockError
from shared.security.guard import OutboundPolicy

from . import _mysql_catalog as catalog
from . import _mysql_marks as marks
from ._mysql_errors import refusal

_PATIENCE_SECONDS: Final = 15.0
"""More than the server's own bounds: whoever doesn't answer then is lost."""

_LOCK_SECONDS: Final = 2.0
_TURN_SECONDS: Final = 10
_NONSENSE: Final = (ValueError, TypeError, LookupError, AttributeError)
"""What reading stumbles over when rows have another shape than those of a catalog."""

_GET_LOCK: Final = "SELECT GET_LOCK(%s, %s)"


@asynccontextmanager
async def connected(
    resource: ResourceConnection, policy: OutboundPolicy, *, read_only: bool, seconds: float
) -> AsyncIterator[Any]:
    """A connection for so long; errors of the driver come out in our words."""
    connection = await mysql.connect(
        resource,
        policy=policy,
        application_name="penstock tables",
        read_only=read_only,
        statement_timeout=seconds,
        lock_timeout=_LOCK_SECONDS,
        database="",
    )
    try:
        async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
            yield connection
    except PenstockError:
        raise
    except TimeoutError as error:
        raise TargetLost from error
    except mysql.DRIVER_ERRORS as error:
        raise refusal(error) from None
    finally:
        connection.close()


async def seen(connection: Any, dialect: Dialect, place: Place) -> Sight:
    """Where the table is found, and what it is. Raises SchemaMissing, and TargetRefused for nonsense."""
    try:
        async with connection.cursor() as cursor:
            return await _read(cursor, dialect, place, mysql.server_of(connection))
    except _NONSENSE as error:
        raise TargetRefused(reason="its catalog answers something else than it was asked") from error


async def _read(cursor: Any, dialect: Dialect, place: Place, server: mysql.Server) -> Sight:
    await _require_schema(cursor, place.location)
    schema, wanted = place.location.schema or "", place.location.name
    notes = await marks.notes_of(cursor, dialect, place)
    names = [notes.published_name, notes.begun_name, *place.names]
    for name in dict.fromkeys(one for one in names if one is not None):
        physical = await catalog.relation(cursor, schema, name, is_mariadb=server.is_mariadb)
        if physical is not None and notes.is_foreign(name):
            physical = Physical(FOREIGN)
        if physical is None or (physical.kind != "table" and name != wanted):
            continue
        is_table, at = physical.kind == "table", dialect.at(place.location, name)
        return Sight(
            physical,
            notes.published,
            begun=notes.begun,
            name=name,
            taken=None if name == wanted else await _taken(cursor, schema, wanted, name),
            size=await catalog.size(cursor, schema, name, at) if is_table else None,
            server=server.title,
        )
    return Sight(None, notes.published, begun=notes.begun, server=server.title)


async def _taken(cursor: Any, schema: str, wanted: str, name: str) -> str | None:
    """What else has the name. A server that folds names shows the table itself under both spellings."""
    other = await catalog.found(cursor, schema, wanted)
    own = await catalog.found(cursor, schema, name)
    return None if other is None or other == own else catalog.kind(other)


async def _require_schema(cursor: Any, location: Location) -> None:
    assert location.schema is not None, "a table lies in a database here"
    await cursor.execute(
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (location.schema,)
    )
    if await cursor.fetchone() is None:
        raise SchemaMissing(schema_name=location.schema)


async def take_turn(connection: Any, location: Location, *, seconds: int = _TURN_SECONDS) -> None:
    """Hold the place among publishes until the session ends. Raises TargetBusy."""
    name = hashlib.blake2b(location.key.encode(), digest_size=20).hexdigest()
    await _hold(connection, f"penstock publish {name}", seconds)


async def shut_out_runs(connection: Any, place: Place) -> None:
    """Hold the lock of the table's runs until the session ends. Raises TargetBusy while one has it.

    The lock of changes comes first: by it, a run that begins knows that it isn't a run that it waits for.
    """
    schema, key = place.location.schema or "", str(place.table_id)
    for name in (runs.change_lock_name(schema, key), runs.lock_name(schema, key)):
        await _hold(connection, name, round(_LOCK_SECONDS))


async def _hold(connection: Any, name: str, seconds: int) -> None:
    async with connection.cursor() as cursor:
        await cursor.execute(_GET_LOCK, (name, seconds))
        (held,) = mysql.only(await cursor.fetchall())
    if held != 1:
        raise TargetBusy


async def answered(connection: Any, checks: Sequence[Check]) -> list[Finding]:
    """What the checks come to, those that find rows with some of their values."""
    found = []
    async with connection.cursor() as cursor:
        for check in checks:
            await cursor.execute(check.count)
            (rows,) = mysql.only(await cursor.fetchall())
            samples: tuple[str, ...] = ()
            if int(rows) and check.samples is not None:
                await cursor.execute(check.samples)
                samples = tuple(_text(value) for (value,) in await cursor.fetchall())
            found.append(Finding(check, int(rows), samples))
    return found


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
