"""Syncs and scans as people see them: start, cancel, look, listen."""

import hashlib
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson

from services.meta.datasources.models import Datasource
from services.meta.datasources.repository import WritableDatasources
from services.meta.recording.repository import CatalogState
from services.meta.sync.errors import (
    DatabaseUnknown,
    DatasourceRemoved,
    KeyReused,
    NotCancellable,
    NotScannable,
    ScanActive,
)
from services.meta.sync.models import SyncEvent, SyncLog
from services.meta.sync.notices import Notices
from services.meta.sync.repository import Ending, Lifecycle, NewSync, SyncLogs
from services.meta.sync.schemas import ScanRequest, SyncLogQuery
from services.meta.sync.states import TERMINAL, Event, Status
from shared.contracts.identity import TenantScope
from shared.db.errors import AlreadyExists, unique_or
from shared.db.repository import Page
from shared.db.session import Database, WriteSession
from shared.errors import Fault
from shared.identifiers import DatasourceId

_EVENTS_AT_ONCE: Final = 200
_LOOK_EVERY: Final = 0.5
"""Seconds between two looks for new events of a scan in another process."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a sync, and under which key: the same key again gives the same sync log."""

    by: UUID
    idempotency_key: str | None = None


class Syncs:
    """Starts, cancels and shows the syncs and scans of a tenant's datasources."""

    def __init__(self, database: Database, scannable: Collection[str], *, notices: Notices) -> None:
        self._database = database
        self._scannable = scannable
        self._notices = notices

    async def start_sync(self, scope: TenantScope, datasource_id: DatasourceId, asked: Asked) -> SyncLog:
        """Queue a sync of level 1. Raises what `start_scan` raises."""
        return await self._start(scope, datasource_id, None, asked)

    async def start_scan(
        self, scope: TenantScope, datasource_id: DatasourceId, request: ScanRequest, asked: Asked
    ) -> SyncLog:
        """Queue a scan of level 2.

        Raises `DatasourceUnknown`, `DatasourceRemoved`, `NotScannable`, `ScanActive` with the sync log that
        isn't finished, `KeyReused`, and `DatabaseUnknown` at the databases that don't exist.
        """
        return await self._start(scope, datasource_id, request, asked)

    async def cancel(self, scope: TenantScope, sync_log_id: UUID) -> SyncLog:
        """Cancel a queued log at once, ask a running one to stop. Raises `NotCancellable` when it is over."""
        async with self._database.write() as session:
            await SyncLogs(session).get(scope, sync_log_id)
            lifecycle = Lifecycle(session)
            log = await lifecycle.locked(sync_log_id)
            assert log is not None
            if log.status in TERMINAL:
                raise NotCancellable(status=log.status)
            if log.cancel_requested_at is None:
                log.cancel_requested_at = await lifecycle.moment()
                await lifecycle.note(log, "cancel_requested", {})
            if log.status == Status.QUEUED:
                await lifecycle.end(log, Ending(Event.CANCEL))
        self._notices.ring()
        return log

    async def get(self, scope: TenantScope, sync_log_id: UUID) -> SyncLog:
        """Raises `SyncLogUnknown`."""
        async with self._database.read() as session:
            return await SyncLogs(session).get(scope, sync_log_id)

    async def newest(self, scope: TenantScope, query: SyncLogQuery) -> Page[SyncLog]:
        """Sync logs, the newest first."""
        async with self._database.read() as session:
            return await SyncLogs(session).newest(scope, query)

    async def events(
        self, scope: TenantScope, sync_log_id: UUID, *, after: int, limit: int
    ) -> Sequence[SyncEvent]:
        """At most `limit` events numbered higher than `after`, in order."""
        async with self._database.read() as session:
            return await SyncLogs(session).events(scope, sync_log_id, after=after, limit=limit)

    async def follow(
        self, scope: TenantScope, sync_log_id: UUID, *, after: int
    ) -> AsyncGenerator[SyncEvent, None]:
        """Events numbered higher than `after` as they happen, until the sync log is over."""
        while True:
            async with self._database.read() as session:
                logs = SyncLogs(session)
                log = await logs.get(scope, sync_log_id)
                found = await logs.events(scope, sync_log_id, after=after, limit=_EVENTS_AT_ONCE)
            for event in found:
                yield event
                after = event.seq
            if after >= log.event_seq:
                if log.status in TERMINAL:
                    return
                await self._notices.wait(_LOOK_EVERY)

    async def _start(
        self, scope: TenantScope, datasource_id: DatasourceId, request: ScanRequest | None, asked: Asked
    ) -> SyncLog:
        new = _new_sync(scope, datasource_id, request, asked)
        async with self._database.write() as session:
            repeated = await self._repeated(session, scope, new)
            if repeated is not None:
                return repeated
            datasource = await WritableDatasources(session).locked(scope, datasource_id)
            await self._check(session, scope, datasource, databases=request.databases if request else None)
            with unique_or(AlreadyExists()):
                log = await Lifecycle(session).create(new)
        self._notices.ring()
        return log

    async def _repeated(self, session: WriteSession, scope: TenantScope, new: NewSync) -> SyncLog | None:
        if new.idempotency_key is None:
            return None
        found = await SyncLogs(session).by_key(scope, new.idempotency_key)
        if found is not None and found.request_hash != new.request_hash:
            raise KeyReused(loc=("header", "Idempotency-Key"))
        return found

    async def _check(
        self,
        session: WriteSession,
        scope: TenantScope,
        datasource: Datasource,
        *,
        databases: list[str] | None,
    ) -> None:
        if datasource.removed_at is not None:
            raise DatasourceRemoved
        if datasource.resource_type not in self._scannable:
            raise NotScannable(resource_type=datasource.resource_type)
        active = await SyncLogs(session).active(scope, DatasourceId(datasource.id))
        if active is not None:
            raise ScanActive(sync_log_id=active.id)
        stored = await CatalogState(session).databases(scope, DatasourceId(datasource.id))
        known = {each.name for each in stored}
        faults = [
            Fault(("body", "databases", place), DatabaseUnknown.code(), str(DatabaseUnknown()))
            for place, name in enumerate(databases or ())
            if name not in known
        ]
        if faults:
            raise DatabaseUnknown(faults=faults)


def _new_sync(
    scope: TenantScope, datasource_id: DatasourceId, request: ScanRequest | None, asked: Asked
) -> NewSync:
    target = _target(request)
    meaning = orjson.dumps([str(datasource_id), request is not None, target], option=orjson.OPT_SORT_KEYS)
    return NewSync(
        tenant_id=scope.tenant_id,
        datasource_id=datasource_id,
        sync_type="deep" if request is not None else "manual",
        sync_level="field" if request is not None else "database",
        target=target,
        request_hash=hashlib.sha256(meaning).hexdigest(),
        requested_by=asked.by,
        idempotency_key=asked.idempotency_key,
    )


def _target(request: ScanRequest | None) -> Mapping[str, Any]:
    return {} if request is None else request.model_dump(by_alias=True)
