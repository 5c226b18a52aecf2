from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select

from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository

from .models import Tenant


class Tenants(Repository[Tenant]):
    """All tenants: for the platform, for logins, and for a tenant to see itself."""

    model = Tenant

    async def named(self, slug: str) -> Tenant | None:
        row: Tenant | None = await self._session.one_or_none(select(Tenant).where(Tenant.slug == slug))
        return row

    async def of_id(self, tenant_id: UUID) -> Tenant | None:
        return await self._session.get(Tenant, tenant_id)

    async def slugs(self, tenant_ids: Iterable[UUID]) -> dict[UUID, str]:
        """How people call these tenants, by id."""
        wanted = select(Tenant).where(Tenant.id.in_(set(tenant_ids)))
        return {row.id: row.slug for row in await self._session.scalars(wanted)}

    async def all(self, *, limit: int, cursor: str | None) -> Page[Tenant]:
        return await self.page(select(Tenant), limit=limit, cursor=cursor)


class WritableTenants(Tenants, WritableRepository[Tenant]):
    async def lock(self, scope: TenantScope) -> None:
        """Let others who decide something about this tenant as a whole wait for this unit of work."""
        statement = select(Tenant.id).where(Tenant.id == scope.tenant_id).with_for_update()
        await self._session.execute(statement)
