"""Datasources as rows."""

from uuid import UUID

from sqlalchemy import select

from services.meta.datasources.errors import DatasourceUnknown
from services.meta.datasources.models import Datasource
from services.meta.datasources.schemas import DatasourceQuery
from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository
from shared.identifiers import DatasourceId, ResourceId


class Datasources(Repository[Datasource]):
    """A tenant's datasources, for reading."""

    model = Datasource

    async def get(self, scope: TenantScope, datasource_id: DatasourceId) -> Datasource:
        """The datasource; raises `DatasourceUnknown`."""
        found = await self.find(scope, datasource_id)
        if found is None:
            raise DatasourceUnknown(datasource_id=datasource_id)
        return found

    async def listed(self, scope: TenantScope, query: DatasourceQuery) -> Page[Datasource]:
        """Datasources by the query's filters, in the order of their names."""
        statement = self.of(scope).where(
            Datasource.removed_at.is_not(None) if query.removed else Datasource.removed_at.is_(None)
        )
        if query.name is not None:
            statement = statement.where(Datasource.name.icontains(query.name, autoescape=True))
        if query.resource_type is not None:
            statement = statement.where(Datasource.resource_type == query.resource_type)
        return await self.page(statement, limit=query.limit, cursor=query.cursor, key=Datasource.name)

    async def versions(self) -> dict[UUID, tuple[int, bool]]:
        """Of all tenants: the version and the removal that is known of each resource."""
        found = await self._session.execute(
            select(Datasource.resource_id, Datasource.resource_version, Datasource.removed_at)
        )
        return {row.resource_id: (row.resource_version, row.removed_at is not None) for row in found}


class WritableDatasources(WritableRepository[Datasource], Datasources):
    """Datasources in a unit of work."""

    async def locked(self, scope: TenantScope, datasource_id: DatasourceId) -> Datasource:
        """The datasource, locked: nobody else starts or ends something on it. Raises `DatasourceUnknown`."""
        found: Datasource | None = await self._session.one_or_none(
            self.of(scope).where(Datasource.id == datasource_id).with_for_update()
        )
        if found is None:
            raise DatasourceUnknown(datasource_id=datasource_id)
        return found

    async def of_resource(self, scope: TenantScope, resource_id: ResourceId) -> Datasource | None:
        """The datasource of a resource, locked."""
        found: Datasource | None = await self._session.one_or_none(
            self.of(scope).where(Datasource.resource_id == resource_id).with_for_update()
        )
        return found
