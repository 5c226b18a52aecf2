from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select

from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository

from .models import User


class Users(Repository[User]):
    """Users of a tenant. With None for the scope: the platform administrator's view of all users."""

    model = User

    def reached_by(self, scope: TenantScope | None) -> Select[User]:
        statement = select(User)
        return statement if scope is None else statement.where(User.tenant_id == scope.tenant_id)

    async def one(self, scope: TenantScope | None, user_id: UUID) -> User | None:
        row: User | None = await self._session.one_or_none(self.reached_by(scope).where(User.id == user_id))
        return row

    async def named(self, tenant_id: UUID | None, username: str) -> User | None:
        """The user who logs in with this name, in this tenant or (None) in no tenant."""
        # Not IS NOT DISTINCT FROM, for which PostgreSQL uses no index.
        of_tenant = User.tenant_id.is_(None) if tenant_id is None else User.tenant_id == tenant_id
        statement = select(User).where(User.username == username, of_tenant)
        row: User | None = await self._session.one_or_none(statement)
        return row

    async def list(self, scope: TenantScope | None, *, limit: int, cursor: str | None) -> Page[User]:
        return await self.page(self.reached_by(scope), limit=limit, cursor=cursor)

    async def enabled_of(self, scope: TenantScope) -> Sequence[User]:
        found = await self._session.scalars(self.reached_by(scope).where(User.enabled))
        return list(found)


class WritableUsers(Users, WritableRepository[User]):
    async def locked(self, user_id: UUID) -> User | None:
        """The user, whom nobody else changes until this unit of work ends."""
        statement = select(User).where(User.id == user_id).with_for_update()
        row: User | None = await self._session.one_or_none(statement)
        return row
