"""Data tables in MySQL and MariaDB: read the catalog, run a plan whose every statement commits by itself."""

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from services.etl.tables.dialects.mysql import Mysql
from services.etl.tables.errors import TargetBusy
from services.etl.tables.physical import Marked, Place, Sight
from shared.contracts.connection import ResourceConnection
from shared.security.guard import OutboundPolicy

from . import _mysql_marks as marks
from ._mysql_session import answered, connected, seen, shut_out_runs, take_turn
from ._mysql_work import Carrying
from .base import Ask, Decide, Examined, Told

_READING_SECONDS: Final = 60.0
_WORKING_SECONDS: Final = 3600.0
_PAUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""Between the tries at the locks: whoever waits behind us gets on meanwhile."""

_ONE_MOMENT: Final = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class MysqlTarget:
    """A server of MySQL or MariaDB, through a connection for each call; times in seconds."""

    def __init__(
        self,
        resource: ResourceConnection,
        policy: OutboundPolicy,
        *,
        reading_seconds: float = _READING_SECONDS,
        working_seconds: float = _WORKING_SECONDS,
    ) -> None:
        self._resource = resource
        self._policy = policy
        self._dialect = Mysql()
        self._reading_seconds = reading_seconds
        self._working_seconds = working_seconds

    async def examine(self, place: Place, ask: Ask) -> Examined:
        """As `Target.examine`."""
        async with self._reading() as connection:
            await connection.query(_ONE_MOMENT)
            sight = await seen(connection, self._dialect, place)
            return Examined(sight, tuple(await answered(connection, ask(sight))))

    async def carry_out(self, place: Place, decide: Decide, *, told: Told) -> Sight:
        """As `Target.carry_out`. Changes of one table wait for each other, and for a run that writes."""
        for pause in _PAUSES:
            try:
                return await self._carried_out(place, decide, told)
            except TargetBusy:
                await asyncio.sleep(pause)
        return await self._carried_out(place, decide, told)

    async def marked(self) -> list[Marked]:
        """As `Target.marked`."""
        async with self._reading() as connection, connection.cursor() as cursor:
            return await marks.marked(cursor, self._dialect)

    async def _carried_out(self, place: Place, decide: Decide, told: Told) -> Sight:
        async with self._working() as connection:
            await take_turn(connection, place.location)
            await shut_out_runs(connection, place)
            return await Carrying(connection, self._dialect, place, told).out(decide)

    def _reading(self) -> AbstractAsyncContextManager[Any]:
        return connected(self._resource, self._policy, read_only=True, seconds=self._reading_seconds)

    def _working(self) -> AbstractAsyncContextManager[Any]:
        return connected(self._resource, self._policy, read_only=False, seconds=self._working_seconds)
