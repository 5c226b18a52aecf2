from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import select

from shared import clock
from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository

from .models import AuditEntry

ActorKind = Literal["user", "service", "platform", "anonymous"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and how the request came; without an id nobody is known."""

    kind: ActorKind
    id: UUID | None = None
    address: str | None = None
    request_id: str | None = None


PLATFORM = Actor("platform")
"""Penstock itself: first start and command line."""


@dataclass(frozen=True, slots=True)
class Act:
    """What was done to which object. `tenant_id` is the tenant whose log it belongs to, if any."""

    action: str
    object_type: str
    object_id: UUID | None
    tenant_id: UUID | None
    details: dict[str, Any] = field(default_factory=dict)


class AuditLog(WritableRepository[AuditEntry]):
    """Takes entries into the unit of work of the change they tell of."""

    model = AuditEntry

    def record(self, actor: Actor, act: Act) -> None:
        self._writing.add(
            AuditEntry(
                tenant_id=act.tenant_id,
                at=clock.now(),
                action=act.action,
                actor_kind=actor.kind,
                actor_id=actor.id,
                object_type=act.object_type,
                object_id=act.object_id,
                details=act.details,
                address=actor.address,
                request_id=actor.request_id,
            )
        )


class AuditEntries(Repository[AuditEntry]):
    """The log of a tenant, or with None that of the platform; newest first."""

    model = AuditEntry

    async def latest(
        self, scope: TenantScope | None, *, limit: int, cursor: str | None, action: str | None
    ) -> Page[AuditEntry]:
        column = AuditEntry.tenant_id
        statement = select(AuditEntry).where(column == scope.tenant_id if scope else column.is_(None))
        if action is not None:
            statement = statement.where(AuditEntry.action == action)
        return await self.page(statement, limit=limit, cursor=cursor, descending=True)
