from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from shared import clock
from shared.contracts.identity import TenantScope
from shared.db.repository import Repository, WritableRepository
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert

from .models import KeyCheck, TenantKey


class TenantKeys(Repository[TenantKey]):
    """Wrapped data keys of tenants."""

    model = TenantKey

    async def newest(self, scope: TenantScope) -> TenantKey | None:
        found = await self._session.scalars(self.of(scope).order_by(TenantKey.id.desc()).limit(1))
        return found.one_or_none()

    async def named(self, scope: TenantScope, key_id: UUID) -> TenantKey | None:
        return await self.find(scope, key_id)


class WritableTenantKeys(TenantKeys, WritableRepository[TenantKey]):
    """Data keys to add."""


class KeyChecks:
    """The master keys that this database knows."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def all(self) -> Sequence[KeyCheck]:
        return list(await self._session.scalars(select(KeyCheck)))


async def remember(session: WriteSession, master_key_id: str, value: str) -> None:
    """Keep a check value, unless another process has just kept one for this key."""
    statement = upsert(session.dialect, KeyCheck).values(
        master_key_id=master_key_id, value=value, created_at=clock.now()
    )
    await session.execute(statement.on_conflict_do_nothing())
