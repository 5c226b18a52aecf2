"""Sync logs as rows: how they are found, and the one way in which their status changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from services.meta.datasources.models import Datasource
from services.meta.sync import states
from services.meta.sync.errors import LeaseLost, SyncLogUnknown
from services.meta.sync.models import SyncEvent, SyncLog
from services.meta.sync.schemas import SyncLogQuery
from services.meta.sync.states import Event, Status
from shared.bus.topology import SCAN_REQUESTED
from shared.contracts.identity import TenantScope
from shared.contracts.messages import ScanRequested
from shared.db.repository import Page, Repository
from shared.db.session import WriteSession
from shared.db.types import utc_now
from shared.identifiers import DatasourceId, TenantId, uuid7

Now = Callable[[float], ColumnElement[datetime]]
"""The database's clock, moved by some seconds; tests bring their own."""

MAX_FAILURES: Final = 1_000
"""Failures that a sync log keeps; it counts them all."""
_MAX_ERROR: Final = 1_000


@dataclass(frozen=True, slots=True)
class NewSync:
    """A sync or scan that is to be queued."""

    tenant_id: TenantId
    datasource_id: DatasourceId
    sync_type: str
    sync_level: str
    target: Mapping[str, Any]
    request_hash: str
    requested_by: UUID | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a sync ended: an event of the table of states, and for a failure its code and sentence."""

    event: Event
    error: str | None = None
    error_code: str | None = None


class SyncLogs(Repository[SyncLog]):
    """A tenant's sync logs, for reading."""

    model = SyncLog

    async def get(self, scope: TenantScope, sync_log_id: UUID) -> SyncLog:
        """The sync log; raises `SyncLogUnknown`."""
        found = await self.find(scope, sync_log_id)
        if found is None:
            raise SyncLogUnknown(sync_log_id=sync_log_id)
        return found

    async def newest(self, scope: TenantScope, query: SyncLogQuery) -> Page[SyncLog]:
        """Sync logs by the query's filters, the newest first."""
        wanted = query.model_dump(include={"datasource_id", "status", "sync_type"}, exclude_none=True)
        statement = self.of(scope).filter_by(**wanted)
        return await self.page(statement, limit=query.limit, cursor=query.cursor, descending=True)

    async def by_key(self, scope: TenantScope, idempotency_key: str) -> SyncLog | None:
        """The sync log that was started under this key."""
        found: SyncLog | None = await self._session.one_or_none(
            self.of(scope).where(SyncLog.idempotency_key == idempotency_key)
        )
        return found

    async def active(self, scope: TenantScope, datasource_id: DatasourceId) -> SyncLog | None:
        """The sync log of the datasource that isn't over."""
        found: SyncLog | None = await self._session.one_or_none(
            self.of(scope).where(SyncLog.active_key == str(datasource_id))
        )
        return found

    async def active_of(self, scope: TenantScope, datasource_ids: Sequence[UUID]) -> dict[UUID, UUID]:
        """Which of these datasources are being scanned, and by which sync log."""
        keys = [str(each) for each in datasource_ids]
        found = await self._session.execute(
            select(SyncLog.datasource_id, SyncLog.id).where(
                SyncLog.tenant_id == scope.tenant_id, SyncLog.active_key.in_(keys)
            )
        )
        return {row.datasource_id: row.id for row in found}

    async def events(
        self, scope: TenantScope, sync_log_id: UUID, *, after: int, limit: int
    ) -> Sequence[SyncEvent]:
        """Events numbered higher than `after`, in order."""
        found = await self._session.scalars(
            select(SyncEvent)
            .join(SyncLog, SyncLog.id == SyncEvent.sync_log_id)
            .where(SyncLog.id == sync_log_id, SyncLog.tenant_id == scope.tenant_id, SyncEvent.seq > after)
            .order_by(SyncEvent.seq)
            .limit(limit)
        )
        return found.all()


class Lifecycle:
    """Sync logs in a unit of work: creates them, moves them by the table of states, writes their history.

    A log is moved only while its row is locked, so its events are numbered without gaps.
    """

    def __init__(self, session: WriteSession, now: Now = utc_now) -> None:
        self._session = session
        self._now = now

    async def moment(self) -> datetime:
        """The time by the database's clock."""
        moment: datetime = await self._session.scalar(select(self._now(0.0)))
        return moment

    async def locked(self, sync_log_id: UUID) -> SyncLog | None:
        """The log, locked for this unit of work. Tenants are the caller's to check."""
        found: SyncLog | None = await self._session.one_or_none(
            select(SyncLog).where(SyncLog.id == sync_log_id).with_for_update()
        )
        return found

    async def create(self, new: NewSync) -> SyncLog:
        """Insert a queued log with its first event and its message; flushed, so that its keys are checked."""
        moment = await self.moment()
        log = SyncLog(
            **{name: getattr(new, name) for name in NewSync.__dataclass_fields__ if name != "target"},
            id=uuid7(),
            target=dict(new.target),
            status=Status.QUEUED,
            active_key=str(new.datasource_id),
            announced_at=moment,
            created_at=moment,
        )
        self._session.add(log)
        await self._session.flush()
        await self.note(log, "queued", {"sync_type": new.sync_type, "sync_level": new.sync_level})
        self._announce(log)
        return log

    async def announce(self, log: SyncLog) -> None:
        """Send the message of a queued log again."""
        log.announced_at = await self.moment()
        self._announce(log)

    async def claim(self, sync_log_id: UUID, owner: UUID, *, lease: float) -> SyncLog | None:
        """Take a queued log for `lease` seconds; None when there is nothing to take."""
        log = await self.locked(sync_log_id)
        if log is None or not self._move(log, Event.CLAIM):
            return None
        moment = await self.moment()
        log.attempt += 1
        log.lease_owner, log.lease_until = owner, await self._after(lease)
        log.started_at = log.started_at or moment
        log.databases_scanned = log.tables_scanned = log.fields_scanned = 0
        log.tables_changed = log.tables_removed = log.failure_count = 0
        log.failures = []
        await self.note(log, "started", {"attempt": log.attempt})
        return log

    async def held(self, sync_log_id: UUID, attempt: int) -> SyncLog:
        """The running log of this attempt, locked. Raises `LeaseLost` when the attempt is no longer valid."""
        log = await self.locked(sync_log_id)
        if log is None or log.status != Status.RUNNING or log.attempt != attempt:
            raise LeaseLost
        return log

    async def extend(self, sync_log_id: UUID, attempt: int, *, lease: float) -> bool:
        """Keep the lease; True when somebody asked to cancel. Raises `LeaseLost`."""
        log = await self.held(sync_log_id, attempt)
        log.lease_until = await self._after(lease)
        return log.cancel_requested_at is not None

    async def end(self, log: SyncLog, ending: Ending) -> bool:
        """Move the log to a terminal status; False when it is over already."""
        if not self._move(log, ending.event):
            return False
        moment = await self.moment()
        log.active_key = log.lease_owner = log.lease_until = None
        log.completed_at = moment
        log.duration_ms = round((moment - (log.started_at or log.created_at)).total_seconds() * 1000)
        log.error = ending.error and ending.error[:_MAX_ERROR]
        log.error_code = ending.error_code
        counts = {name: getattr(log, name) for name in COUNTS}
        await self.note(log, "finished", {"status": log.status, "error": log.error, **counts})
        await self._note_on_datasource(log, moment)
        return True

    async def requeue(self, log: SyncLog, event: Event, *, reason: str) -> bool:
        """Give a running log back, to be claimed again."""
        if not self._move(log, event):
            return False
        log.lease_owner = log.lease_until = None
        log.lost += 1 if event is Event.LOSE else 0
        await self.note(log, "requeued", {"reason": reason})
        await self.announce(log)
        return True

    async def note(self, log: SyncLog, kind: str, data: Mapping[str, Any]) -> None:
        """Write an entry of the log's history."""
        log.event_seq += 1
        moment = await self.moment()
        self._session.add(
            SyncEvent(sync_log_id=log.id, seq=log.event_seq, type=kind, at=moment, data=dict(data))
        )

    async def expired(self, *, limit: int) -> Sequence[SyncLog]:
        """Running logs whose lease has ended, locked; those that somebody else holds are left out."""
        found = await self._session.scalars(
            select(SyncLog)
            .where(SyncLog.status == Status.RUNNING, SyncLog.lease_until < self._now(0.0))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return found.all()

    async def unclaimed(self, *, seconds: float, limit: int) -> Sequence[SyncLog]:
        """Queued logs whose message was sent `seconds` ago or earlier, locked."""
        found = await self._session.scalars(
            select(SyncLog)
            .where(SyncLog.status == Status.QUEUED, SyncLog.announced_at < self._now(-seconds))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return found.all()

    def _move(self, log: SyncLog, event: Event) -> bool:
        advanced = states.advance(Status(log.status), event)
        if advanced is None:
            return False
        log.status = advanced
        return True

    def _announce(self, log: SyncLog) -> None:
        self._session.outbox.add(
            ScanRequested(tenant_id=log.tenant_id, sync_log_id=log.id),
            to=SCAN_REQUESTED,
            subject=f"sync-log/{log.id}",
            tenant_id=log.tenant_id,
        )

    async def _after(self, seconds: float) -> datetime:
        moment: datetime = await self._session.scalar(select(self._now(seconds)))
        return moment

    async def _note_on_datasource(self, log: SyncLog, moment: datetime) -> None:
        if log.status not in {Status.SUCCESS, Status.PARTIAL}:
            return
        column = "last_sync_at" if log.sync_level == "database" else "last_scan_at"
        await self._session.execute(
            update(Datasource)
            .where(Datasource.tenant_id == log.tenant_id, Datasource.id == log.datasource_id)
            .values({column: moment})
            .execution_options(synchronize_session=False)
        )


COUNTS: Final = (
    "databases_scanned",
    "tables_scanned",
    "fields_scanned",
    "tables_changed",
    "tables_removed",
    "failure_count",
)
