"""Tenants: made by the platform administrator, each with its data key."""

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.secrets.service import Vault
from shared.contracts.identity import TenantScope
from shared.db.errors import unique_or
from shared.db.repository import Page, expect_version
from shared.db.session import Database
from shared.identifiers import TenantId, uuid7

from .errors import TenantSlugTaken, TenantUnknown
from .models import Tenant
from .repository import Tenants, WritableTenants
from .schemas import TenantChange, TenantCreate


class TenantService:
    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def create(self, wanted: TenantCreate, actor: Actor) -> Tenant:
        """A new tenant with a data key of its own; raises TenantSlugTaken."""
        tenant = Tenant(id=uuid7(), slug=wanted.slug, name=wanted.name)
        async with self._database.write() as session:
            with unique_or(TenantSlugTaken(loc=("body", "slug"), slug=wanted.slug)):
                await WritableTenants(session).add(tenant)
            await self._vault.add_key(session, TenantScope(TenantId(tenant.id)))
            act = Act("tenant.created", "tenant", tenant.id, tenant.id, {"slug": tenant.slug})
            AuditLog(session).record(actor, act)
        return tenant

    async def list(self, *, limit: int, cursor: str | None) -> Page[Tenant]:
        async with self._database.read() as session:
            return await Tenants(session).all(limit=limit, cursor=cursor)

    async def get(self, tenant_id: TenantId) -> Tenant:
        """Raises TenantUnknown."""
        async with self._database.read() as session:
            tenant = await Tenants(session).of_id(tenant_id)
        if tenant is None:
            raise TenantUnknown
        return tenant

    async def change(
        self, tenant_id: TenantId, wanted: TenantChange, actor: Actor, *, version: int
    ) -> Tenant:
        """Raises TenantUnknown, VersionOutdated."""
        async with self._database.write() as session:
            tenant = await WritableTenants(session).of_id(tenant_id)
            if tenant is None:
                raise TenantUnknown
            expect_version(tenant, version)
            if wanted.name is not None:
                tenant.name = wanted.name
            await session.flush()
            act = Act("tenant.changed", "tenant", tenant.id, tenant.id, {"name": tenant.name})
            AuditLog(session).record(actor, act)
        return tenant
