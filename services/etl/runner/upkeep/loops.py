"""The loops that push runs on when whoever should have is gone. Any number of them may run at a time."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from uuid import UUID

from services.etl.runner import identity
from services.etl.runner.means import full_jitter
from services.etl.runner.upkeep.repository import Findings, Pushes, Workers
from services.etl.runs.endings import Jitter
from services.etl.runs.hints import RunHints
from services.etl.runs.repository import Now
from shared.db.session import Database
from shared.db.types import utc_now
from shared.errors import Conflict, Transient
from shared.identifiers import RunId
from shared.observe import logs
from shared.process.waiting import Trouble, until

_log = logs.get(__name__)
T = TypeVar("T")


class Upkeep(ABC):
    """A background that looks for something every `seconds`, at once when it starts."""

    seconds: float

    def __init__(
        self,
        database: Database,
        hints: RunHints,
        *,
        seconds: float | None = None,
        jitter: Jitter = full_jitter,
        now: Now = utc_now,
    ) -> None:
        self._database = database
        self._hints = hints
        self._jitter = jitter
        self._now = now
        self.seconds = seconds if seconds is not None else self.seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set; while the database is away, look again later."""
        trouble = Trouble()
        while not stop.is_set():
            try:
                await self.look()
                trouble.over()
            except Transient as error:
                if trouble.is_news(str(error)):
                    _log.warning("upkeep_delayed", loop=type(self).__name__, reason=str(error))
            await until(asyncio.sleep(self.seconds), stop)

    @abstractmethod
    async def look(self) -> None:
        """Look once."""

    async def _find(self, find: Callable[[Findings], Awaitable[T]]) -> T:
        async with self._database.read() as session:
            return await find(Findings(session, self._now))

    async def _push(self, push: Callable[[Pushes], Awaitable[None]], run_id: RunId | None = None) -> None:
        try:
            async with self._database.write() as session:
                await push(Pushes(session, self._now))
        except Conflict:
            # Another process has just done it.
            return
        if run_id is not None:
            self._hints.news.tell(run_id)


class Reaper(Upkeep):
    """Ends attempts whose runner stopped answering, and at once those of dead runners of this machine."""

    seconds = 2.0

    async def look(self) -> None:
        await self._reap_dead_runners()
        for run_id in await self._find(Findings.expired):
            _log.info("lease_expired", run_id=str(run_id))
            await self._recover(run_id)

    async def _reap_dead_runners(self) -> None:
        place = identity.this_process().place
        if place is None:
            return
        for worker in await self._find(partial(Findings.workers, place=place)):
            if identity.is_alive(worker.process):
                continue
            for run_id in await self._find(partial(Findings.held_by, worker_id=worker.id)):
                _log.info("runner_dead", run_id=str(run_id), worker_id=str(worker.id))
                await self._recover(run_id, owner=worker.id)
            async with self._database.write() as session:
                await Workers(session, self._now).forget(worker.id)

    async def _recover(self, run_id: RunId, owner: UUID | None = None) -> None:
        await self._push(partial(Pushes.recover, run_id=run_id, jitter=self._jitter, owner=owner), run_id)


class Scheduler(Upkeep):
    """Queues runs whose next attempt is due."""

    seconds = 0.5

    async def look(self) -> None:
        for run_id in await self._find(Findings.due):
            await self._push(partial(Pushes.wake, run_id=run_id), run_id)


class Reconciler(Upkeep):
    """Announces queued runs again that nobody claimed, and heals what a crash left between two steps."""

    seconds = 30.0

    async def look(self) -> None:
        for run_id in await self._find(Findings.unclaimed):
            _log.info("run_announced_again", run_id=str(run_id))
            await self._push(partial(Pushes.announce, run_id=run_id))
        for key in await self._find(Findings.stranded):
            await self._push(partial(Pushes.promote, key=key))
        async with self._database.write() as session:
            await Workers(session, self._now).forget_silent()
