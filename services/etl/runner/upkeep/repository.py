"""Finding runs that need a push, and giving it; every push checks again under the run's lock."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import aliased

from services.etl.models import OutboxMessage
from services.etl.runner.identity import Identity
from services.etl.runner.repository import end_attempt, needs_settling, out_of_time, time_out
from services.etl.runs import endings, states
from services.etl.runs.endings import Jitter
from services.etl.runs.models import Run, RunWorker
from services.etl.runs.repository import Lifecycle, Now
from services.etl.runs.states import State
from shared.db import errors
from shared.db.session import ReadSession, WriteSession
from shared.db.types import utc_now
from shared.errors import Conflict
from shared.identifiers import RunId

BATCH: Final = 100
SETTLE_SECONDS: Final = 300.0
"""How long a run may wait for a runner that asks the target how it ended."""

ANNOUNCE_SECONDS: Final = 60.0
"""After so long without a claim, a queued run is announced again."""

SETTLE_ANNOUNCE_SECONDS: Final = 10.0
WORKER_SECONDS: Final = 3600.0
"""A runner that was silent for so long is forgotten."""


class Findings:
    """What needs a push, as ids."""

    def __init__(self, session: ReadSession, now: Now = utc_now) -> None:
        self._session = session
        self._now = now

    async def expired(self) -> Sequence[RunId]:
        """Runs whose lease is over."""
        late = select(Run.id).where(Run.state.in_(states.LEASED), Run.lease_until <= self._now(0.0))
        return (await self._session.scalars(late.order_by(Run.lease_until).limit(BATCH))).all()

    async def workers(self, place: str) -> Sequence[RunWorker]:
        """Runners that were started at this place."""
        return (await self._session.scalars(select(RunWorker).where(RunWorker.place == place))).all()

    async def held_by(self, worker_id: UUID) -> Sequence[RunId]:
        """Runs that a runner holds."""
        held = select(Run.id).where(Run.state.in_(states.LEASED), Run.lease_owner == worker_id)
        return (await self._session.scalars(held)).all()

    async def due(self) -> Sequence[RunId]:
        """Runs whose next attempt is due, or whose time is over while they wait for it."""
        now = self._now(0.0)
        due = select(Run.id).where(
            Run.state == State.RETRY_WAIT, (Run.available_at <= now) | (Run.deadline_at <= now)
        )
        return (await self._session.scalars(due.order_by(Run.available_at).limit(BATCH))).all()

    async def unclaimed(self) -> Sequence[RunId]:
        """Queued runs that were announced long ago. None while the outbox itself is behind."""
        long_ago = self._now(-ANNOUNCE_SECONDS)
        behind = select(exists().where(OutboxMessage.__table__.c.available_at <= long_ago))
        if await self._session.scalar(behind):
            return []
        unclaimed = select(Run.id).where(
            Run.state == State.QUEUED, Run.active_key.is_not(None), Run.announced_at <= long_ago
        )
        return (await self._session.scalars(unclaimed.order_by(Run.available_at).limit(BATCH))).all()

    async def stranded(self) -> Sequence[str]:
        """Keys that queued runs wait for and that nobody holds."""
        holder = aliased(Run)
        stranded = select(Run.exclusive_key).where(
            Run.state == State.QUEUED,
            Run.active_key.is_(None),
            ~exists().where(holder.active_key == Run.exclusive_key),
        )
        return (await self._session.scalars(stranded.distinct().limit(BATCH))).all()


class Pushes:
    """One push each, in a unit of work of its own."""

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self._session = session
        self._lifecycle = Lifecycle(session, now)

    async def recover(self, run_id: RunId, *, jitter: Jitter, owner: UUID | None = None) -> None:
        """End the attempt of a lease that is over, or that belongs to the dead runner `owner`.

        Where the run can only end, a runner is called that asks the target how; when none comes for
        long, it ends without that answer.
        """
        run = await self._lifecycle.locked(run_id)
        if run is None or run.state not in states.LEASED or run.lease_until is None:
            return
        moment = await self._lifecycle.moment()
        if owner is not None and run.lease_owner == owner:
            run.lease_until = min(run.lease_until, moment)
        if run.lease_until > moment:
            return
        if needs_settling(run, moment) and run.lease_until > moment - timedelta(seconds=SETTLE_SECONDS):
            self._call_for_settling(run, moment)
            return
        await end_attempt(self._lifecycle, run, _ending(run, jitter, given_up=needs_settling(run, moment)))

    async def wake(self, run_id: RunId) -> None:
        """Queue a run whose next attempt is due; end it when its time is over."""
        run = await self._lifecycle.locked(run_id)
        if run is None or run.state != State.RETRY_WAIT:
            return
        moment = await self._lifecycle.moment()
        late = out_of_time(run, moment)
        if late and not run.in_doubt:
            await time_out(self._lifecycle, run, moment)
        elif late or run.available_at <= moment:
            await self._lifecycle.move(run, states.Event.DUE, moment, {"attempt": run.attempt})
            self._lifecycle.announce(run, moment)

    async def announce(self, run_id: RunId) -> None:
        """Call a runner for a queued run again."""
        run = await self._lifecycle.locked(run_id)
        if run is not None and run.state == State.QUEUED:
            self._lifecycle.announce(run, await self._lifecycle.moment())

    async def promote(self, key: str) -> None:
        """Give a free key to the run that waits for it."""
        if await self._lifecycle.holder(key) is None:
            with errors.unique_or(Conflict()):
                await self._lifecycle.promote(key, await self._lifecycle.moment())

    def _call_for_settling(self, run: Run, moment: datetime) -> None:
        pause = timedelta(seconds=SETTLE_ANNOUNCE_SECONDS)
        if run.announced_at is None or run.announced_at <= moment - pause or run.lease_owner is not None:
            run.lease_owner = None
            self._lifecycle.announce(run, moment)


def _ending(run: Run, jitter: Jitter, *, given_up: bool) -> endings.Ending:
    if given_up:
        return endings.unsettled()
    lost = endings.lost("its runner stopped answering")
    return endings.failure(lost, charged=run.charged, maximum=run.max_attempts, jitter=jitter)


class Workers:
    """The runners that were started, for finding those that died."""

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self._session = session
        self._now = now

    async def register(self, worker_id: UUID, identity: Identity, *, version: str, slots: int) -> None:
        """Write down a runner at its start."""
        moment: datetime = await self._session.scalar(select(self._now(0.0)))
        self._session.add(
            RunWorker(
                id=worker_id,
                host=identity.host,
                place=identity.place,
                process=identity.process,
                version=version,
                slots=slots,
                started_at=moment,
                heartbeat_at=moment,
            )
        )

    async def beat(self, worker_id: UUID, *, draining: bool) -> None:
        """The runner is there."""
        worker = await self._session.get(RunWorker, worker_id)
        if worker is not None:
            worker.draining = draining
            worker.heartbeat_at = await self._session.scalar(select(self._now(0.0)))

    async def forget(self, worker_id: UUID) -> None:
        """The runner is gone and holds nothing."""
        await self._session.execute(delete(RunWorker).where(RunWorker.id == worker_id))

    async def forget_silent(self) -> None:
        """Forget those that were silent for long."""
        silent = RunWorker.heartbeat_at <= self._now(-WORKER_SECONDS)
        await self._session.execute(delete(RunWorker).where(silent))
