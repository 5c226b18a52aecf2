"""Resources: registered connections of a tenant, their secrets sealed."""

from collections.abc import Mapping
from typing import Any, Literal

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.secrets.envelope import Place
from services.system.secrets.errors import SecretUnreadable
from services.system.secrets.service import Vault
from shared import clock as clocks
from shared.bus import topology
from shared.contracts.identity import TenantScope
from shared.contracts.messages import ResourceChanged
from shared.db.errors import unique_or
from shared.db.repository import expect_version
from shared.db.session import Database, ReadSession, WriteSession
from shared.http.paging import Page
from shared.identifiers import ResourceId, uuid7

from . import connections
from .connections import KEPT, Parts
from .errors import ResourceNameTaken, ResourceUnknown
from .models import Resource
from .repository import Resources, WritableResources
from .schemas import ResourceChange, ResourceCreate, ResourceView, SecretState

_What = Literal["created", "updated", "deleted"]


class ResourceService:
    """Creates, shows, changes and deletes resources; a secret goes in and never comes out."""

    def __init__(self, database: Database, vault: Vault, *, clock: clocks.Clock = clocks.now) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def create(self, scope: TenantScope, wanted: ResourceCreate, actor: Actor) -> ResourceView:
        """A new resource; raises ResourceNameTaken."""
        async with self._database.write() as session:
            return await self.create_within(session, scope, wanted, actor)

    async def create_within(
        self, session: WriteSession, scope: TenantScope, wanted: ResourceCreate, actor: Actor
    ) -> ResourceView:
        """As `create`, as a part of somebody's unit of work."""
        parts = connections.take_apart(wanted.connection)
        resources = WritableResources(session)
        row = Resource(
            id=uuid7(),
            tenant_id=scope.tenant_id,
            name=wanted.name,
            description=wanted.description,
            type=wanted.connection.type,
            settings=dict(parts.settings),
            secrets={},
            secrets_updated_at=None,
            change_number=await resources.next_change(),
            deleted_at=None,
        )
        await self._seal(session, row, parts.secrets)
        with unique_or(ResourceNameTaken(loc=("body", "name"), name=wanted.name)):
            await resources.add(row)
        _tell(session, row, "created", actor)
        return await self._view(session, row)

    async def list(
        self, scope: TenantScope, *, limit: int, cursor: str | None, resource_type: str | None
    ) -> Page[ResourceView]:
        """The tenant's resources; one whose secret can't be read is listed as such."""
        async with self._database.read() as session:
            page = await Resources(session).list(
                scope, limit=limit, cursor=cursor, resource_type=resource_type
            )
            items = [await self._view(session, row) for row in page.items]
        return Page(items=items, next_cursor=page.next_cursor)

    async def get(self, scope: TenantScope, resource_id: ResourceId) -> ResourceView:
        """Raises ResourceUnknown."""
        async with self._database.read() as session:
            return await self._view(session, await found(Resources(session), scope, resource_id))

    async def change(
        self,
        scope: TenantScope,
        resource_id: ResourceId,
        wanted: ResourceChange,
        *,
        version: int,
        actor: Actor,
    ) -> ResourceView:
        """Raises ResourceUnknown, VersionOutdated, ResourceNameTaken, ConnectionInvalid, SecretNeeded."""
        async with self._database.write() as session:
            resources = WritableResources(session)
            number = await resources.next_change()
            row = await found(resources, scope, resource_id)
            expect_version(row, version)
            row.change_number = number
            if wanted.name is not None:
                row.name = wanted.name
            if wanted.description is not None:
                row.description = wanted.description
            if wanted.connection is not None:
                await self._change_connection(session, row, wanted.connection)
            with unique_or(ResourceNameTaken(loc=("body", "name"), name=row.name)):
                await session.flush()
            _tell(session, row, "updated", actor, fields=sorted(wanted.model_fields_set))
            return await self._view(session, row)

    async def delete(
        self, scope: TenantScope, resource_id: ResourceId, *, version: int, actor: Actor
    ) -> None:
        """Delete a resource and its secrets, free its name; raises ResourceUnknown, VersionOutdated."""
        async with self._database.write() as session:
            resources = WritableResources(session)
            number = await resources.next_change()
            row = await found(resources, scope, resource_id)
            expect_version(row, version)
            row.change_number = number
            row.deleted_at = self._clock()
            row.secrets = {}
            await session.flush()
            _tell(session, row, "deleted", actor)

    async def _change_connection(
        self, session: WriteSession, row: Resource, patch: Mapping[str, Any]
    ) -> None:
        change = connections.change(Parts(row.settings, row.secrets), patch)
        row.settings = dict(change.settings)
        given = {name: value for name, value in change.secrets.items() if value != KEPT}
        if given:
            row.secrets = {name: text for name, text in row.secrets.items() if name not in given}
            await self._seal(session, row, {name: text for name, text in given.items() if text})

    async def _seal(self, session: WriteSession, row: Resource, secrets: Mapping[str, str]) -> None:
        sealed = {
            name: await self._vault.seal(session, text, place_of(row, name)) for name, text in secrets.items()
        }
        row.secrets = {**row.secrets, **sealed}
        row.secrets_updated_at = self._clock() if row.secrets else None

    async def _view(self, session: ReadSession, row: Resource) -> ResourceView:
        return ResourceView(
            id=ResourceId(row.id),
            name=row.name,
            description=row.description,
            type=row.type,
            connection=row.settings,
            secrets={
                name: await self._secret_state(session, row, name)
                for name in connections.secret_fields_of(row.type)
            },
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    async def _secret_state(self, session: ReadSession, row: Resource, name: str) -> SecretState:
        sealed = row.secrets.get(name)
        if sealed is None:
            return SecretState(state="unset")
        try:
            await self._vault.open(session, sealed, place_of(row, name))
        except SecretUnreadable:
            return SecretState(state="unreadable", updated_at=row.secrets_updated_at)
        return SecretState(state="set", updated_at=row.secrets_updated_at)


async def found(resources: Resources, scope: TenantScope, resource_id: ResourceId) -> Resource:
    """The tenant's resource; raises ResourceUnknown, also for one of another tenant."""
    row = await resources.one(scope, resource_id)
    if row is None:
        raise ResourceUnknown
    return row


def place_of(row: Resource, field: str) -> Place:
    """Where a resource's secret belongs."""
    return Place(row.tenant_id, row.id, field)


def _tell(
    session: WriteSession, row: Resource, what: _What, actor: Actor, *, fields: list[str] | None = None
) -> None:
    """Every change leaves an audit entry and a message, in the unit of work that makes it."""
    details = {"name": row.name, "type": row.type} | ({"fields": fields} if fields else {})
    AuditLog(session).record(actor, Act(f"resource.{what}", "resource", row.id, row.tenant_id, details))
    message = ResourceChanged(
        tenant_id=row.tenant_id,
        resource_id=ResourceId(row.id),
        resource_type=row.type,
        name=row.name,
        change=what,
        version=row.version,
    )
    session.outbox.add(message, to=topology.RESOURCE_CHANGED, subject=str(row.id), tenant_id=row.tenant_id)
