from sqlalchemy import select, update

from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository
from shared.identifiers import ResourceId

from .models import ChangeCounter, Resource

_THE_COUNTER = 1


class Resources(Repository[Resource]):
    """Resources of a tenant; deleted ones are gone, but for the list of changes."""

    model = Resource

    async def one(self, scope: TenantScope, resource_id: ResourceId) -> Resource | None:
        statement = self.of(scope).where(Resource.id == resource_id, Resource.deleted_at.is_(None))
        row: Resource | None = await self._session.one_or_none(statement)
        return row

    async def named(self, scope: TenantScope, name: str) -> Resource | None:
        statement = self.of(scope).where(Resource.name == name, Resource.deleted_at.is_(None))
        row: Resource | None = await self._session.one_or_none(statement)
        return row

    async def list(
        self, scope: TenantScope, *, limit: int, cursor: str | None, resource_type: str | None
    ) -> Page[Resource]:
        statement = self.of(scope).where(Resource.deleted_at.is_(None))
        if resource_type is not None:
            statement = statement.where(Resource.type == resource_type)
        return await self.page(statement, limit=limit, cursor=cursor)


class ResourceChanges(Repository[Resource]):
    """The resources of all tenants in the order of their last change, for services that follow them."""

    model = Resource

    async def after(self, cursor: str | None, *, limit: int) -> Page[Resource]:
        return await self.page(select(Resource), limit=limit, cursor=cursor, key=Resource.change_number)


class WritableResources(Resources, WritableRepository[Resource]):
    async def next_change(self) -> int:
        """The number of the change that this unit of work makes; other writers of resources wait for it."""
        statement = (
            update(ChangeCounter)
            .where(ChangeCounter.id == _THE_COUNTER)
            .values(value=ChangeCounter.value + 1)
            .returning(ChangeCounter.value)
        )
        number: int = await self._session.scalar(statement)
        return number
