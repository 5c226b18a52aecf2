"""The scan worker: takes scans from the queue, holds their lease while they run, ends them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from services.meta.sync.attempts import Attempt
from services.meta.sync.errors import LeaseLost
from services.meta.sync.notices import Notices
from services.meta.sync.repository import Ending, Lifecycle
from services.meta.sync.states import Event
from shared.bus.consumer import Consumer, DeadLetter, Decision, Done
from shared.bus.port import Bus
from shared.bus.topology import SCAN_QUEUE
from shared.contracts.envelope import Envelope
from shared.contracts.identity import TenantScope
from shared.contracts.messages import ScanRequested
from shared.db.session import Database
from shared.errors import PenstockError
from shared.identifiers import DatasourceId, uuid7
from shared.observe import logs

_log = logs.get(__name__)

Perform = Callable[[Attempt], Awaitable[bool]]

_CANCELLED: Final = Ending(Event.CANCEL)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the worker: scans at a time, and seconds."""

    slots: int = 2
    lease: float = 30.0
    beat: float = 5.0
    scan: float = 3_600.0


class ScanWorker:
    """Background: consumes scan requests. The row in our database is the scan, the message only wakes.

    A message is acknowledged once its scan is claimed; from then on the lease keeps the scan. On a stop
    the scans that run are given back to the queue, uncharged.
    """

    def __init__(
        self,
        database: Database,
        bus: Bus,
        perform: Perform,
        *,
        notices: Notices,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._perform = perform
        self._notices = notices
        self._limits = limits or Limits()
        self._owner = uuid7()
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then give back what isn't finished."""
        self._free.set()
        consumer = Consumer(self._bus, SCAN_QUEUE, self._handle, gate=self)
        try:
            await consumer.run(stop)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def is_open(self) -> bool:
        """Whether a slot is free; what the consumer asks as its gate."""
        return len(self._tasks) < self._limits.slots

    async def wait_open(self) -> None:
        """Wait for a free slot."""
        while not self.is_open():
            self._free.clear()
            await self._free.wait()

    async def _handle(self, envelope: Envelope) -> Decision:
        try:
            message = ScanRequested.model_validate(envelope.data)
        except ValidationError:
            return DeadLetter("not a scan request")
        attempt = await self._claim(message.sync_log_id)
        if attempt is not None:
            task = asyncio.create_task(self._work(attempt), name=f"scan {attempt.sync_log_id}")
            self._tasks.add(task)
            task.add_done_callback(self._finished)
        return Done()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._free.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("scan_unsettled", task=task.get_name(), error=type(error).__name__)

    async def _claim(self, sync_log_id: UUID) -> Attempt | None:
        async with self._database.write() as session:
            log = await Lifecycle(session).claim(sync_log_id, self._owner, lease=self._limits.lease)
            if log is None:
                return None
            attempt = Attempt(
                sync_log_id=log.id,
                number=log.attempt,
                scope=TenantScope(log.tenant_id),
                datasource_id=DatasourceId(log.datasource_id),
                sync_level=log.sync_level,
                target=log.target,
            )
        self._notices.ring()
        return attempt

    async def _work(self, attempt: Attempt) -> None:
        try:
            ending = await self._held(attempt)
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(attempt))
            raise
        if ending is None:
            _log.warning("scan_lost", sync_log_id=str(attempt.sync_log_id))
        else:
            await self._end(attempt, ending)

    async def _held(self, attempt: Attempt) -> Ending | None:
        """Perform while heartbeats keep the lease. None when the lease was lost: then nothing is ended."""
        work = asyncio.create_task(self._outcome(attempt))
        beat = asyncio.create_task(self._beat(attempt))
        try:
            done, _ = await asyncio.wait(
                {work, beat}, timeout=self._limits.scan, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            work.cancel()
            beat.cancel()
            await asyncio.wait({work, beat})
        if work in done:
            return work.result()
        if beat in done:
            return beat.result()
        hours = self._limits.scan / 3600
        return Ending(Event.FAIL, f"The scan was not finished within {hours:g} hours.", "scan_too_long")

    async def _outcome(self, attempt: Attempt) -> Ending | None:
        try:
            complete = await self._perform(attempt)
        except LeaseLost:
            return None
        except PenstockError as error:
            return Ending(Event.FAIL, str(error), error.code())
        except Exception:  # noqa: BLE001 - whatever a scanner raises, the scan has to be ended
            _log.exception("scan_crashed", sync_log_id=str(attempt.sync_log_id))
            return Ending(
                Event.FAIL, "Something went wrong on our side; the logs say more.", "internal_error"
            )
        return Ending(Event.SUCCEED if complete else Event.SUCCEED_IN_PART)

    async def _beat(self, attempt: Attempt) -> Ending | None:
        """Extend the lease until somebody cancels the scan or takes it over.

        When the database doesn't answer, the scan stops itself before its lease ends.
        """
        loop = asyncio.get_running_loop()
        kept_until = loop.time() + self._limits.lease
        while True:
            await self._notices.wait(self._limits.beat)
            try:
                async with asyncio.timeout_at(kept_until), self._database.write() as session:
                    cancelled = await Lifecycle(session).extend(
                        attempt.sync_log_id, attempt.number, lease=self._limits.lease
                    )
            except LeaseLost:
                return None
            except (PenstockError, TimeoutError):
                if loop.time() >= kept_until - self._limits.beat:
                    return None
                continue
            if cancelled:
                return _CANCELLED
            kept_until = loop.time() + self._limits.lease

    async def _end(self, attempt: Attempt, ending: Ending) -> None:
        try:
            async with self._database.write() as session:
                lifecycle = Lifecycle(session)
                log = await lifecycle.held(attempt.sync_log_id, attempt.number)
                await lifecycle.end(log, ending)
        except LeaseLost:
            _log.warning("scan_lost", sync_log_id=str(attempt.sync_log_id))
            return
        note = _log.warning if ending.error else _log.info
        note(
            "scan_ended",
            sync_log_id=str(attempt.sync_log_id),
            status=log.status,
            code=ending.error_code,
            reason=ending.error,
        )
        self._notices.ring()

    async def _give_back(self, attempt: Attempt) -> None:
        try:
            async with self._database.write() as session:
                lifecycle = Lifecycle(session)
                log = await lifecycle.held(attempt.sync_log_id, attempt.number)
                await lifecycle.requeue(log, Event.RELEASE, reason="the worker is stopping")
        except PenstockError as error:
            _log.warning("scan_not_given_back", sync_log_id=str(attempt.sync_log_id), reason=error.code())
