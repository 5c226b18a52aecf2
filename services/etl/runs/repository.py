"""Runs as rows: how they are found, and the one way in which their state changes."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update

from shared.bus.topology import RUN_REQUESTED
from shared.contracts.identity import TenantScope
from shared.contracts.messages import RunRequested
from shared.db.repository import Page, Repository
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert
from shared.db.types import utc_now
from shared.identifiers import DataTableId, ResourceId, RunId, TaskId, TenantId

from .errors import RunUnknown
from .models import Run, RunAttempt, RunEvent
from .schemas import RunQuery
from .states import LEASED, TERMINAL, Event, State, advance

Now = Callable[[float], ColumnElement[datetime]]
"""The database's clock, moved by some seconds; tests bring their own."""

QUEUED_EVENT: Final = State.QUEUED.value
_RECENT: Final = 20
MAX_SEQ: Final = 2**31 - 1
"""The highest number that the column takes; a client may ask for more."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be queued."""

    tenant_id: TenantId
    task_id: TaskId
    task_revision: int
    task_name: str
    table_id: DataTableId | None
    table_key: str
    resource_id: ResourceId | None
    exclusive_key: str
    requested_by: UUID
    request_hash: str
    max_attempts: int
    timeout_seconds: int
    idempotency_key: str | None = None
    replay_of: RunId | None = None
    warnings: list[Any] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)


class Runs(Repository[Run]):
    """A tenant's runs, for reading."""

    model = Run

    async def get(self, scope: TenantScope, run_id: RunId) -> Run:
        """The run; raises `RunUnknown`."""
        found = await self.find(scope, run_id)
        if found is None:
            raise RunUnknown(run_id=run_id)
        return found

    async def newest(self, scope: TenantScope, query: RunQuery) -> Page[Run]:
        """Runs by the query's filters, the newest first."""
        wanted = query.model_dump(include={"task_id", "table_id", "state"}, exclude_none=True)
        statement = self.of(scope).filter_by(**wanted)
        return await self.page(statement, limit=query.limit, cursor=query.cursor, descending=True)

    async def by_key(self, scope: TenantScope, idempotency_key: str) -> Run | None:
        """The run that was started under this key."""
        found: Run | None = await self._session.one_or_none(
            self.of(scope).where(Run.idempotency_key == idempotency_key)
        )
        return found

    async def replay_of_rejects(self, scope: TenantScope, run: Run) -> Run | None:
        """A run that tries the rejected rows of this one again and hasn't failed, the newest."""
        futile = TERMINAL - {State.SUCCEEDED}
        of_task = self.of(scope).where(Run.task_id == run.task_id, Run.replay_of == run.id)
        # Another replay of a run that has succeeded there isn't.
        alive = of_task.where(Run.state.not_in(futile)).order_by(Run.created_at.desc()).limit(1)
        found: Run | None = await self._session.one_or_none(alive)
        return found

    async def last_cursor(self, scope: TenantScope, task_id: TaskId) -> str | None:
        """How far the last run of a task has read its incremental source, as it has told."""
        succeeded = self.of(scope).where(Run.task_id == task_id, Run.state == State.SUCCEEDED)
        newest = await self._session.scalars(succeeded.order_by(Run.finished_at.desc()).limit(_RECENT))
        told = ((run.counts or {}).get("cursor") for run in newest)
        return next((cursor for cursor in told if cursor is not None), None)

    async def attempts(self, scope: TenantScope, run_id: RunId) -> Sequence[RunAttempt]:
        statement = (
            select(RunAttempt)
            .join(Run, Run.id == RunAttempt.run_id)
            .where(Run.id == run_id, Run.tenant_id == scope.tenant_id)
            .order_by(RunAttempt.attempt)
        )
        return (await self._session.scalars(statement)).all()

    async def events(
        self, scope: TenantScope, run_id: RunId, *, after: int, limit: int
    ) -> Sequence[RunEvent]:
        """Events numbered higher than `after`, in order."""
        statement = (
            select(RunEvent)
            .join(Run, Run.id == RunEvent.run_id)
            .where(Run.id == run_id, Run.tenant_id == scope.tenant_id, RunEvent.seq > min(after, MAX_SEQ))
            .order_by(RunEvent.seq)
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()


class Lifecycle:
    """Runs in a unit of work: creates them, moves them from state to state, writes their history.

    A run is moved only while its row is locked (`locked`), so each change is one step of `TRANSITIONS`
    and the events of a run are numbered without gaps.
    """

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self.session = session
        self.now = now

    async def moment(self) -> datetime:
        """The time by the database's clock."""
        moment: datetime = await self.session.scalar(select(self.now(0.0)))
        return moment

    async def locked(self, run_id: RunId) -> Run | None:
        """The run, locked for this unit of work. Tenants are the caller's to check."""
        return await self._locked(Run.id == run_id)

    async def holder(self, exclusive_key: str) -> Run | None:
        """The run that holds this key. It can't end before this unit of work does."""
        return await self._locked(Run.active_key == exclusive_key)

    async def create(self, new: NewRun, *, active: bool) -> Run | None:
        """Insert a queued run with its first event; None when a unique value was taken meanwhile.

        A run that is not `active` waits until its `exclusive_key` is free.
        """
        moment = await self.moment()
        values = asdict(new) | {
            "state": State.QUEUED.value,
            "active_key": new.exclusive_key if active else None,
            "available_at": moment,
            "created_at": moment,
        }
        statement = upsert(self.session.dialect, Run).values(values).on_conflict_do_nothing()
        run_id = await self.session.scalar(statement.returning(Run.id))
        created = await self.locked(run_id) if run_id else None
        if created is not None:
            told: dict[str, Any] = {"waiting_behind": created.waiting_behind}
            if created.warnings:
                told["warnings"] = created.warnings
            await self.note(created, QUEUED_EVENT, told, moment)
            self.announce(created, moment)
        return created

    async def move(self, run: Run, event: Event, moment: datetime, data: dict[str, Any]) -> State:
        """Let `event` happen to a locked run; raises `TransitionRefused`.

        At a run's end its key goes to the next run that waits for it, in the same unit of work: the key
        is never free in between.
        """
        state = advance(State(run.state), event)
        run.state, run.state_seq = state, run.state_seq + 1
        freed = None
        if state in TERMINAL:
            freed, run.active_key = run.active_key, None
            run.lease_owner, run.lease_until = None, None
            run.finished_at = moment
        await self.note(run, state.value, data, moment)
        if freed is not None:
            await self.promote(freed, moment)
        return state

    async def cancel(self, run: Run) -> State:
        """Begin the end of a locked run that is not over: at once where nothing can have been committed."""
        moment = run.cancel_requested_at = await self.moment()
        if State(run.state) in LEASED or not run.in_doubt:
            return await self.move(run, Event.CANCEL, moment, {})
        run.lease_until = moment
        state = await self.move(run, Event.SETTLE, moment, {})
        self.announce(run, moment)
        return state

    async def note(self, run: Run, kind: str, data: dict[str, Any], moment: datetime) -> None:
        """Add an event to a locked run's history."""
        run.event_seq += 1
        await self.session.flush()
        event = {"run_id": run.id, "seq": run.event_seq, "type": kind, "at": moment, "data": data}
        await self.session.execute(insert(RunEvent).values(**event))

    async def promote(self, key: str, moment: datetime) -> None:
        """Give a free key to the run that has waited longest for it, and call a runner for it."""
        waiting = (
            select(Run.id)
            .where(Run.exclusive_key == key, Run.state == State.QUEUED, Run.active_key.is_(None))
            .order_by(Run.created_at, Run.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        run_id = await self.session.scalar(waiting)
        if run_id is None:
            return
        await self.session.execute(
            update(Run).where(Run.id == run_id).values(active_key=key, available_at=moment)
        )
        promoted = await self.locked(RunId(run_id))
        assert promoted is not None
        self.announce(promoted, moment)

    def announce(self, run: Run, moment: datetime) -> None:
        """Call a runner for a run, unless it waits behind another."""
        if run.active_key is None:
            return
        run.announced_at = moment
        message = RunRequested(tenant_id=run.tenant_id, run_id=RunId(run.id))
        subject = f"run/{run.id}"
        self.session.outbox.add(message, to=RUN_REQUESTED, subject=subject, tenant_id=run.tenant_id)

    async def _locked(self, condition: ColumnElement[bool]) -> Run | None:
        await self.session.flush()
        statement = select(Run).where(condition).with_for_update()
        found: Run | None = await self.session.one_or_none(
            statement.execution_options(populate_existing=True)
        )
        return found


async def has_active(
    session: ReadSession,
    scope: TenantScope,
    *,
    task_id: TaskId | None = None,
    table_id: DataTableId | None = None,
) -> bool:
    """Whether a run of this task, or into this data table, is not over yet."""
    wanted = {"task_id": task_id, "table_id": table_id}
    given = {name: value for name, value in wanted.items() if value is not None}
    active = select(Run.id).filter_by(tenant_id=scope.tenant_id, **given).where(Run.state.not_in(TERMINAL))
    return await session.scalar(active.limit(1)) is not None


async def writing(session: ReadSession, scope: TenantScope, table_id: DataTableId) -> RunId | None:
    """A run that a runner holds, or whose end the target has not told yet, into this data table."""
    of_table = select(Run.id).where(Run.tenant_id == scope.tenant_id, Run.table_id == table_id)
    at_work = Run.state.in_(LEASED) | (Run.in_doubt & Run.state.not_in(TERMINAL))
    found: RunId | None = await session.scalar(of_table.where(at_work).limit(1))
    return found
