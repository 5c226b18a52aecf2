"""The runner: waits for runs, claims as many as it has slots, and sees each through."""

import asyncio
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from services.etl.runner import identity
from services.etl.runner.attempt import Attempt
from services.etl.runner.means import Means
from services.etl.runner.repository import Claimed, Leases, next_waiting
from services.etl.runner.upkeep.repository import Workers
from shared.bus.consumer import Consumer, DeadLetter, Decision, Done, TryAgain
from shared.bus.port import Bus
from shared.bus.topology import RUN_QUEUE
from shared.contracts.envelope import Envelope
from shared.contracts.messages import RunRequested
from shared.errors import Transient
from shared.identifiers import RunId, uuid7
from shared.observe import logs
from shared.process.waiting import Trouble, until

_log = logs.get(__name__)
LOOK_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 15.0


class Slots:
    """How many runs may be carried out at a time; closed for messages while none is free."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._open = asyncio.Event()
        self._open.set()

    def is_open(self) -> bool:
        return self._free > 0

    async def wait_open(self) -> None:
        await self._open.wait()

    def take(self) -> bool:
        """Take a slot if one is free."""
        if self._free == 0:
            return False
        self._free -= 1
        if self._free == 0:
            self._open.clear()
        return True

    def give_back(self) -> None:
        self._free += 1
        self._open.set()


class Runner:
    """A background that carries out runs, `slots` at a time.

    A message names a run that waits; the claim in the database decides who gets it, and the message is
    acknowledged then. When it starts, after each run and every few seconds it also looks into the database,
    so that a lost message costs little time. When it stops, runs have `grace` seconds to end, and are then
    given back uncharged.
    """

    def __init__(
        self, means: Means, bus: Bus, *, slots: int = 1, grace: float = 3.0, version: str = ""
    ) -> None:
        self._means = means
        self._bus = bus
        self._count = slots
        self._grace = grace
        self._version = version
        self._slots = Slots(slots)
        self._freed = asyncio.Event()
        self._attempts: dict[asyncio.Task[None], Attempt] = {}
        self._worker_id = uuid7()

    @property
    def worker_id(self) -> UUID:
        """This start of this runner, as leases name it."""
        return self._worker_id

    async def run(self, stop: asyncio.Event) -> None:
        """Carry out runs until `stop` is set."""
        await self._register()
        consumer = Consumer(self._bus, RUN_QUEUE, self.on_message, gate=self._slots)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(consumer.run(stop))
                group.create_task(self._look(stop))
                group.create_task(self._beat(stop))
        finally:
            await self._drain(graceful=stop.is_set())
        await self._leave()

    async def on_message(self, envelope: Envelope) -> Decision:
        """Claim the run that a message names; whoever finds it taken or over is done."""
        try:
            run_id = RunRequested.model_validate(envelope.data).run_id
        except ValidationError:
            return DeadLetter("no run is named")
        try:
            await self._try(run_id)
        except Transient as error:
            return TryAgain(str(error))
        return Done()

    async def _try(self, run_id: RunId) -> bool:
        # Without a free slot the run waits in the database, where every runner looks for work.
        if not self._slots.take():
            return False
        claimed_at = asyncio.get_running_loop().time()
        claimed = None
        try:
            async with self._means.database.write() as session:
                claimed = await Leases(session, self._means.now).claim(run_id, self._worker_id)
        finally:
            if claimed is None:
                self._slots.give_back()
        if claimed is None:
            return False
        self._means.hints.news.tell(run_id)
        self._begin(claimed, claimed_at)
        return True

    def _begin(self, claimed: Claimed, claimed_at: float) -> None:
        attempt = Attempt(claimed, self._means, claimed_at=claimed_at)
        # Owned by `_attempts` and awaited by `_drain`: an attempt outlives the loops that found it.
        task = asyncio.create_task(self._see_through(attempt, claimed), name=f"run {claimed.run_id}")
        self._attempts[task] = attempt
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._attempts[task]
        self._slots.give_back()
        self._freed.set()

    async def _see_through(self, attempt: Attempt, claimed: Claimed) -> None:
        log = _log.bind(
            tenant_id=str(claimed.scope.tenant_id), run_id=str(claimed.run_id), attempt=claimed.attempt
        )
        log.info("attempt_begun", fence=claimed.fence, settling=claimed.settling)
        try:
            await attempt.carry_out()
        except Exception:
            log.exception("attempt_abandoned")

    async def _look(self, stop: asyncio.Event) -> None:
        trouble = Trouble()
        while not stop.is_set():
            try:
                while self._slots.is_open() and not stop.is_set() and await self._take_waiting():
                    pass
                trouble.over()
            except Transient as error:
                if trouble.is_news(str(error)):
                    _log.warning("look_delayed", reason=str(error))
            await until(self._next_look(), stop)

    async def _next_look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._freed.wait()
        except TimeoutError:
            return
        self._freed.clear()

    async def _take_waiting(self) -> bool:
        async with self._means.database.read() as session:
            run_id = await next_waiting(session)
        return run_id is not None and await self._try(run_id)

    async def _register(self) -> None:
        self._worker_id = uuid7()
        async with self._means.database.write() as session:
            workers = Workers(session, self._means.now)
            await workers.register(
                self._worker_id, identity.this_process(), version=self._version, slots=self._count
            )

    async def _beat(self, stop: asyncio.Event) -> None:
        while await until(asyncio.sleep(BEAT_SECONDS), stop):
            await self._say(draining=False)
        await self._say(draining=True)

    async def _say(self, *, draining: bool) -> None:
        try:
            async with self._means.database.write() as session:
                await Workers(session, self._means.now).beat(self._worker_id, draining=draining)
        except Transient as error:
            _log.warning("beat_failed", reason=str(error))

    async def _drain(self, *, graceful: bool) -> None:
        """Let attempts end, then give their runs back; cancelled itself, it takes them along."""
        try:
            if graceful and self._attempts:
                await asyncio.wait(self._attempts, timeout=self._grace)
            for attempt in self._attempts.values():
                attempt.release()
            if self._attempts:
                await asyncio.wait(self._attempts)
        except asyncio.CancelledError:
            for task in self._attempts:
                task.cancel()
            if self._attempts:
                await asyncio.wait(self._attempts)
            raise

    async def _leave(self) -> None:
        try:
            async with self._means.database.write() as session:
                await Workers(session, self._means.now).forget(self._worker_id)
        except Transient as error:
            _log.warning("worker_not_forgotten", reason=str(error))
