"""Datasources follow the resources of System, whatever order the news come in."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from services.meta.datasources.models import Datasource
from services.meta.datasources.repository import Datasources, WritableDatasources
from services.meta.recording.repository import CatalogWriter
from services.meta.sync.notices import Notices
from services.meta.sync.repository import Ending, Lifecycle, NewSync, SyncLogs
from services.meta.sync.states import Event, Status
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.db.errors import AlreadyExists, unique_or
from shared.db.session import Database, WriteSession
from shared.identifiers import DatasourceId, uuid7

_AUTO: Final = "auto"


class Tracking:
    """Makes, renames and removes datasources. A new or changed one begins with level 1 at once."""

    def __init__(self, database: Database, scannable: Collection[str], *, notices: Notices) -> None:
        self._database = database
        self._scannable = scannable
        self._notices = notices

    async def known(self) -> Mapping[UUID, tuple[int, bool]]:
        """Version and removal of every resource that is known, for a cheap comparison."""
        async with self._database.read() as session:
            return await Datasources(session).versions()

    async def apply(self, summary: ResourceSummary) -> bool:
        """Follow the newest news of a resource; False when they were known already.

        Raises `AlreadyExists` when another process has just made the datasource: trying again helps.
        """
        scope = TenantScope(summary.tenant_id)
        async with self._database.write() as session:
            stored = await WritableDatasources(session).of_resource(scope, summary.resource_id)
            if stored is not None and not is_news(
                summary, (stored.resource_version, stored.removed_at is not None)
            ):
                return False
            datasource = await self._stored(session, scope, summary, stored=stored)
            if summary.deleted:
                await self._remove(session, scope, datasource)
            else:
                datasource.removed_at = None
                await self._start(session, scope, datasource)
        self._notices.ring()
        return True

    async def _stored(
        self,
        session: WriteSession,
        scope: TenantScope,
        summary: ResourceSummary,
        *,
        stored: Datasource | None,
    ) -> Datasource:
        """The row with what the news say; a deleted resource gets one too, so that late news find it."""
        datasource = stored or Datasource(
            id=uuid7(), tenant_id=scope.tenant_id, resource_id=summary.resource_id
        )
        datasource.resource_type = summary.resource_type
        datasource.resource_version = summary.version
        datasource.name = summary.name
        if stored is None:
            with unique_or(AlreadyExists()):
                await WritableDatasources(session).add(datasource)
        return datasource

    async def _start(self, session: WriteSession, scope: TenantScope, datasource: Datasource) -> None:
        if datasource.resource_type not in self._scannable:
            return
        datasource_id = DatasourceId(datasource.id)
        if await SyncLogs(session).active(scope, datasource_id) is None:
            await Lifecycle(session).create(
                NewSync(
                    tenant_id=scope.tenant_id,
                    datasource_id=datasource_id,
                    sync_type=_AUTO,
                    sync_level="database",
                    target={},
                    request_hash="",
                )
            )

    async def _remove(self, session: WriteSession, scope: TenantScope, datasource: Datasource) -> None:
        lifecycle = Lifecycle(session)
        moment = await lifecycle.moment()
        datasource.removed_at = moment
        datasource_id = DatasourceId(datasource.id)
        active = await SyncLogs(session).active(scope, datasource_id)
        log = await lifecycle.locked(active.id) if active is not None else None
        if log is not None and log.status == Status.QUEUED:
            await lifecycle.end(log, Ending(Event.CANCEL))
        elif log is not None:
            log.cancel_requested_at = log.cancel_requested_at or moment
        await CatalogWriter(session, moment).put_databases(scope, datasource_id, [])


def is_news(summary: ResourceSummary, known: tuple[int, bool] | None) -> bool:
    """Whether a summary says more than what is known of the resource, as version and removal."""
    if known is None:
        return True
    version, removed = known
    return summary.version > version or (summary.version == version and summary.deleted and not removed)
