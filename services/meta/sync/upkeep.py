"""Upkeep of sync logs: scans whose worker is gone go back to the queue, lost messages are sent again."""

import asyncio
from typing import Final

from services.meta.sync.repository import Ending, Lifecycle
from services.meta.sync.states import Event
from shared.db.session import Database
from shared.errors import Unavailable
from shared.observe import logs
from shared.process.waiting import until

_log = logs.get(__name__)

MAX_LOST: Final = 3
"""Workers that a scan may lose; whatever kills them is then not tried again."""
_BATCH: Final = 100
_GONE: Final = Ending(
    Event.GIVE_UP, "The scan lost its worker several times and was given up.", "worker_lost"
)


class Upkeep:
    """Background: reaper and reconciler. Any number may run at the same time.

    `every` is the pause between two rounds in seconds, `patience` how long a queued log may wait before its
    message is sent again: a message too many changes nothing.
    """

    def __init__(self, database: Database, *, every: float = 10.0, patience: float = 60.0) -> None:
        self._database = database
        self._every = every
        self._patience = patience

    async def run(self, stop: asyncio.Event) -> None:
        """Look after the logs until `stop` is set."""
        while await until(asyncio.sleep(self._every), stop):
            try:
                await self.reap()
                await self.reconcile()
            except Unavailable as error:
                _log.warning("upkeep_postponed", reason=str(error))

    async def reap(self) -> int:
        """Requeue scans whose lease has ended, or give them up; how many there were."""
        async with self._database.write() as session:
            lifecycle = Lifecycle(session)
            expired = await lifecycle.expired(limit=_BATCH)
            for log in expired:
                if log.cancel_requested_at is not None:
                    await lifecycle.end(log, Ending(Event.CANCEL))
                elif log.lost + 1 >= MAX_LOST:
                    await lifecycle.end(log, _GONE)
                else:
                    await lifecycle.requeue(log, Event.LOSE, reason="the worker didn't renew its lease")
                _log.warning("scan_reaped", sync_log_id=str(log.id), status=log.status)
        return len(expired)

    async def reconcile(self) -> int:
        """Send the messages of queued logs again that nobody has claimed; how many there were."""
        async with self._database.write() as session:
            lifecycle = Lifecycle(session)
            waiting = await lifecycle.unclaimed(seconds=self._patience, limit=_BATCH)
            for log in waiting:
                await lifecycle.announce(log)
        return len(waiting)
