"""Connection info for services: handed out with its secrets, each time with an audit entry."""

from datetime import timedelta
from typing import Final

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.secrets.service import Vault
from services.system.tenants.repository import Tenants
from shared import clock as clocks
from shared.contracts.connection import ConnectionRequest, ResourceConnection, ResourceSummary
from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession
from shared.http.paging import Page
from shared.identifiers import ResourceId, TenantId

from . import connections
from .errors import ResourceUnknown
from .models import Resource
from .repository import ResourceChanges, Resources
from .service import found, place_of

VALID_FOR: Final = timedelta(minutes=5)
"""How long a service may use what it was handed before it has to ask again."""


class Handing:
    """What services may learn of resources. The caller's scopes have been checked at the edge."""

    def __init__(self, database: Database, vault: Vault, *, clock: clocks.Clock = clocks.now) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def hand_out(
        self, resource_id: ResourceId, asked: ConnectionRequest, actor: Actor
    ) -> ResourceConnection:
        """The connection with its secrets; raises ResourceUnknown and SecretUnreadable."""
        scope = TenantScope(asked.tenant_id)
        details = {
            "purpose": asked.purpose,
            "subject": str(asked.subject) if asked.subject else None,
        }
        async with self._database.write() as session:
            row = await found(Resources(session), scope, resource_id)
            opened = await self.open(session, row)
            act = Act("resource.connected", "resource", row.id, row.tenant_id, details)
            AuditLog(session).record(actor, act)
        return opened

    async def open(self, session: ReadSession, row: Resource) -> ResourceConnection:
        """A resource's connection with its secrets; raises SecretUnreadable."""
        tenant = await Tenants(session).of_id(row.tenant_id)
        if tenant is None:
            raise ResourceUnknown
        secrets = {
            name: await self._vault.open(session, sealed, place_of(row, name))
            for name, sealed in row.secrets.items()
        }
        return ResourceConnection(
            resource_id=ResourceId(row.id),
            tenant_id=TenantId(row.tenant_id),
            tenant_folder=tenant.slug,
            name=row.name,
            version=row.version,
            connection=connections.put_together(row.settings, secrets),
            expires_at=self._clock() + VALID_FOR,
        )

    async def changes(self, *, limit: int, cursor: str | None) -> Page[ResourceSummary]:
        """The resources of all tenants in the order of their last change, deleted ones too."""
        async with self._database.read() as session:
            page = await ResourceChanges(session).after(cursor, limit=limit)
            slugs = await Tenants(session).slugs(row.tenant_id for row in page.items)
        items = [_summary(row, slugs.get(row.tenant_id)) for row in page.items]
        return Page(items=items, next_cursor=page.next_cursor)


def _summary(row: Resource, tenant_slug: str | None) -> ResourceSummary:
    return ResourceSummary(
        resource_id=ResourceId(row.id),
        tenant_id=TenantId(row.tenant_id),
        resource_type=row.type,
        name=row.name,
        version=row.version,
        deleted=row.deleted_at is not None,
        tenant_slug=tenant_slug,
    )
