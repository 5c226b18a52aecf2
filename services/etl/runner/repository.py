"""Leases on runs: who may work on a run, until when, under which fence.

All times are the database's own, so the clocks of the machines don't matter.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import case, insert, select, update

from services.etl.runner.files import keep
from services.etl.runs import endings, states
from services.etl.runs.models import FenceCounter, Run, RunAttempt
from services.etl.runs.rejected.store import Kept
from services.etl.runs.repository import Lifecycle, Now
from services.etl.runs.schemas import RunParameters
from services.etl.runs.states import State
from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert
from shared.db.types import utc_now
from shared.identifiers import RunId, TaskId

LEASE_SECONDS: Final = 30.0
_FENCES: Final = "run"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that this runner holds. `fence` compares across all runs: a higher one came later.

    `settling`: nothing is to be loaded, only the end of an earlier attempt to be found out.
    """

    run_id: RunId
    scope: TenantScope
    task_id: TaskId
    task_revision: int
    table_key: str
    attempt: int
    fence: int
    charged: int
    max_attempts: int
    timeout_seconds: int
    seconds_left: float
    settling: bool
    cancelling: bool
    parameters: RunParameters


@dataclass(frozen=True, slots=True)
class Notes:
    """What an attempt has to tell since it last did: progress, and which rejected rows are kept by now."""

    progress: dict[str, Any] | None = None
    phase: str | None = None
    kept: Kept | None = None
    reject_counts: list[dict[str, Any]] | None = None


class Leases:
    """Claims, renewals and ends of attempts, each in one unit of work."""

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self._session = session
        self._lifecycle = Lifecycle(session, now)
        self._now = now

    async def claim(self, run_id: RunId, worker_id: UUID) -> Claimed | None:
        """Take the run if it waits for a runner, or if its end is to be found out; else None.

        A second message for the same run, or a late one, finds it taken or over.
        """
        run = await self._lifecycle.locked(run_id)
        if run is None:
            return None
        moment = await self._lifecycle.moment()
        settling = needs_settling(run, moment)
        if not settling and not await self._may_begin(run, moment):
            return None
        run.fence = await self._next_fence(moment)
        run.attempt += 1
        if not settling:
            run.charged += 1
            run.progress = run.reject_counts = None
        run.lease_owner, run.lease_until = worker_id, moment + timedelta(seconds=LEASE_SECONDS)
        run.started_at = run.started_at or moment
        run.deadline_at = run.deadline_at or moment + timedelta(seconds=run.timeout_seconds)
        await self._session.flush()
        await self._end_earlier_attempts(run, moment)
        await self._session.execute(insert(RunAttempt).values(_attempt(run, worker_id, moment)))
        queued = run.state == State.QUEUED
        event = states.Event.CLAIM if queued else states.Event.TAKE_OVER
        await self._lifecycle.move(run, event, moment, {"attempt": run.attempt})
        return _claimed(run, moment, settling=settling)

    async def renew(self, claimed: Claimed) -> State | None:
        """Extend the lease; the run's state, or None when the run is no longer this attempt's."""
        statement = (
            update(Run)
            .where(Run.id == claimed.run_id, Run.fence == claimed.fence, Run.state.in_(states.LEASED))
            .values(lease_until=self._now(LEASE_SECONDS))
            .returning(Run.state)
        )
        state = await self._session.scalar(statement)
        return None if state is None else State(state)

    async def note_backend(self, claimed: Claimed, pid: int) -> None:
        """Write down the target's number of the session that writes."""
        await self._session.execute(
            update(RunAttempt).where(RunAttempt.fence == claimed.fence).values(backend=pid)
        )

    async def note(self, claimed: Claimed, notes: Notes) -> bool:
        """Keep what is told; False when the run is no longer this attempt's."""
        run = await self._held(claimed)
        if run is None:
            return False
        moment = await self._lifecycle.moment()
        if notes.kept is not None:
            run.rejects = asdict(notes.kept)
        if notes.reject_counts is not None:
            run.reject_counts = notes.reject_counts
        if notes.phase is not None:
            await self._lifecycle.note(run, "phase", {"phase": notes.phase}, moment)
        if notes.progress is not None:
            run.progress = notes.progress | {"at": moment.isoformat()}
            await self._lifecycle.note(run, "progress", run.progress, moment)
        return True

    async def finish(self, claimed: Claimed, ending: endings.Ending) -> State | None:
        """End the attempt; the run's new state, or None when the run is no longer this attempt's.

        An ending that would close the run, while rows of it may have been committed, is refused until the
        target was asked: the answer is then the state that it is in, and nothing has changed.
        """
        run = await self._held(claimed)
        if run is None:
            return None
        following = states.advance(State(run.state), ending.event)
        closes = following in states.TERMINAL and following is not State.SUCCEEDED
        if closes and not ending.settled and (run.in_doubt or ending.cut_off):
            return State(run.state)
        kept = await keep(self._session, TenantScope(run.tenant_id), ending)
        return await end_attempt(self._lifecycle, run, kept)

    async def _held(self, claimed: Claimed) -> Run | None:
        run = await self._lifecycle.locked(claimed.run_id)
        if run is None or run.fence != claimed.fence or run.state not in states.LEASED:
            return None
        return run

    async def _may_begin(self, run: Run, moment: datetime) -> bool:
        if run.state != State.QUEUED or run.active_key is None:
            return False
        if out_of_time(run, moment):
            await time_out(self._lifecycle, run, moment)
            return False
        return True

    async def _next_fence(self, moment: datetime) -> int:
        # Not below the time in milliseconds: a database that was restored from a backup, or made anew,
        # then still counts on from beyond the fences that targets have seen.
        floor = int(moment.timestamp() * 1000)
        beyond = case((FenceCounter.value >= floor, FenceCounter.value + 1), else_=floor)
        statement = (
            upsert(self._session.dialect, FenceCounter)
            .values(name=_FENCES, value=floor)
            .on_conflict_do_update(index_elements=[FenceCounter.name], set_={"value": beyond})
            .returning(FenceCounter.value)
        )
        return int(await self._session.scalar(statement))

    async def _end_earlier_attempts(self, run: Run, moment: datetime) -> None:
        await self._session.execute(
            update(RunAttempt)
            .where(RunAttempt.run_id == run.id, RunAttempt.ended_at.is_(None))
            .values(ended_at=moment, outcome=endings.Outcome.LOST.value)
        )


async def next_waiting(session: ReadSession) -> RunId | None:
    """The run that has waited longest for a runner."""
    statement = (
        select(Run.id)
        .where(Run.state == State.QUEUED, Run.active_key.is_not(None))
        .order_by(Run.available_at)
        .limit(1)
    )
    found: RunId | None = await session.scalar(statement)
    return found


def needs_settling(run: Run, moment: datetime) -> bool:
    """Whether a run without a runner can only end, and the target must say how."""
    if run.state == State.QUEUED:
        return run.active_key is not None and run.in_doubt and out_of_time(run, moment)
    expired = run.state in states.LEASED and run.lease_until is not None and run.lease_until <= moment
    return expired and (run.state == State.CANCELLING or run.charged >= run.max_attempts)


def out_of_time(run: Run, moment: datetime) -> bool:
    """Whether the run has had the time that its task allows."""
    return run.deadline_at is not None and run.deadline_at <= moment


async def end_attempt(lifecycle: Lifecycle, run: Run, ending: endings.Ending) -> State:
    """Carry out an ending on a locked run whose attempt it is."""
    moment = await lifecycle.moment()
    trouble = ending.trouble.to_json() if ending.trouble else None
    run.charged -= 0 if ending.charged else 1
    run.lease_owner, run.lease_until = None, None
    run.available_at = moment + timedelta(seconds=ending.after)
    run.problem = trouble
    run.counts = ending.counts or run.counts
    run.file = ending.file
    run.adopted = ending.adopted
    run.in_doubt = not ending.settled and (run.in_doubt or ending.cut_off)
    await lifecycle.session.execute(
        update(RunAttempt)
        .where(RunAttempt.run_id == run.id, RunAttempt.attempt == run.attempt)
        .values(ended_at=moment, outcome=ending.outcome.value, problem=trouble)
    )
    if run.rejects is not None and run.rejects["attempt"] < run.attempt and _overtaken(run, ending):
        run.rejects = None
    return await lifecycle.move(run, ending.event, moment, _told(run, ending))


def _overtaken(run: Run, ending: endings.Ending) -> bool:
    """Whether it is sure that no earlier attempt has committed."""
    return not ending.adopted and (ending.event is states.Event.SUCCEED or not run.in_doubt)


async def time_out(lifecycle: Lifecycle, run: Run, moment: datetime) -> None:
    """End a run that no runner holds and whose time is over."""
    ending = endings.out_of_time(run.timeout_seconds)
    run.problem = ending.trouble.to_json() if ending.trouble else None
    await lifecycle.move(run, ending.event, moment, _told(run, ending))


def _told(run: Run, ending: endings.Ending) -> dict[str, Any]:
    told: dict[str, Any] = {"attempt": run.attempt, "outcome": ending.outcome.value}
    if ending.trouble is not None:
        told["problem"] = ending.trouble.to_json()
    if ending.event is states.Event.RETRY:
        told["available_at"] = run.available_at.isoformat()
    if ending.counts is not None:
        told |= {"counts": ending.counts, "adopted": ending.adopted}
    if ending.file is not None:
        told["file"] = ending.file
    return told


def _attempt(run: Run, worker_id: UUID, moment: datetime) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "attempt": run.attempt,
        "fence": run.fence,
        "worker_id": worker_id,
        "started_at": moment,
    }


def _claimed(run: Run, moment: datetime, *, settling: bool) -> Claimed:
    assert run.deadline_at is not None
    return Claimed(
        run_id=RunId(run.id),
        scope=TenantScope(run.tenant_id),
        task_id=run.task_id,
        task_revision=run.task_revision,
        table_key=run.table_key,
        attempt=run.attempt,
        fence=run.fence,
        charged=run.charged,
        max_attempts=run.max_attempts,
        timeout_seconds=run.timeout_seconds,
        seconds_left=(run.deadline_at - moment).total_seconds(),
        settling=settling,
        cancelling=run.state == State.CANCELLING,
        parameters=RunParameters.model_validate(run.parameters),
    )
