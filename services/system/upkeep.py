"""Upkeep of System's own tables: what nobody can use any more is deleted."""

import asyncio
from datetime import timedelta
from typing import Final

from services.system.sessions.repository import Sessions, WritableCounters
from services.system.sessions.throttle import TRUST_FOR
from shared import clock as clocks
from shared.db.session import Database
from shared.process.waiting import until

_EVERY: Final = timedelta(hours=1)
_KEEP_SESSIONS: Final = timedelta(days=1)


class Upkeep:
    """Background: once an hour, deletes expired sessions with their tokens and counters of the throttle."""

    def __init__(self, database: Database, *, clock: clocks.Clock = clocks.now) -> None:
        self._database = database
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        while await until(asyncio.sleep(_EVERY.total_seconds()), stop):
            await self.once()

    async def once(self) -> None:
        now = self._clock()
        async with self._database.write() as session:
            await Sessions(session).forget_before(now - _KEEP_SESSIONS)
            await WritableCounters(session).forget_before(now - TRUST_FOR)
