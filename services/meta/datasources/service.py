"""Datasources as people see them."""

from collections.abc import Collection, Sequence

from services.meta.datasources.models import Datasource
from services.meta.datasources.repository import Datasources
from services.meta.datasources.schemas import DatasourceQuery, DatasourceView
from services.meta.sync.repository import SyncLogs
from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession
from shared.http.paging import Page
from shared.identifiers import DatasourceId


class DatasourceViews:
    """Shows a tenant's datasources with the sync or scan that is under way."""

    def __init__(self, database: Database, scannable: Collection[str]) -> None:
        self._database = database
        self._scannable = scannable

    async def get(self, scope: TenantScope, datasource_id: DatasourceId) -> DatasourceView:
        """Raises `DatasourceUnknown`."""
        async with self._database.read() as session:
            found = await Datasources(session).get(scope, datasource_id)
            return (await self._views(session, scope, [found]))[0]

    async def listed(self, scope: TenantScope, query: DatasourceQuery) -> Page[DatasourceView]:
        """Datasources in the order of their names."""
        async with self._database.read() as session:
            page = await Datasources(session).listed(scope, query)
            views = await self._views(session, scope, page.items)
        return Page(items=views, next_cursor=page.next_cursor)

    async def _views(
        self, session: ReadSession, scope: TenantScope, found: Sequence[Datasource]
    ) -> list[DatasourceView]:
        active = await SyncLogs(session).active_of(scope, [each.id for each in found])
        return [
            DatasourceView(
                id=DatasourceId(each.id),
                resource_id=each.resource_id,
                resource_type=each.resource_type,
                name=each.name,
                is_scannable=each.resource_type in self._scannable and each.removed_at is None,
                active_sync_log_id=active.get(each.id),
                last_sync_at=each.last_sync_at,
                last_scan_at=each.last_scan_at,
                removed_at=each.removed_at,
                created_at=each.created_at,
                updated_at=each.updated_at,
            )
            for each in found
        ]
