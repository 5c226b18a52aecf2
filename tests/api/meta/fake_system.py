"""System as Meta sees it: tokens, keys, resources, connection info. Everything in memory, tests change it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from aiohttp import web

from shared import clock
from shared.bus.port import Bus
from shared.bus.topology import RESOURCE_CHANGED
from shared.contracts.connection import (
    SECRET_FIELDS,
    ConnectionInfo,
    ConnectionRequest,
    ResourceConnection,
    ResourceSummary,
)
from shared.contracts.envelope import Envelope
from shared.contracts.messages import ResourceChanged
from shared.contracts.scopes import ROLES
from shared.identifiers import ResourceId, TenantId, uuid7
from shared.security.keys import LocalKeys, SigningKey
from shared.security.tokens import Grant, issue

PREFIX = "/api/system/v1"


@dataclass
class Resource:
    """A resource and how to connect to it."""

    summary: ResourceSummary
    connection: ConnectionInfo


@dataclass
class FakeSystem:
    """What tests put in, Meta finds."""

    bus: Bus
    key: SigningKey = field(default_factory=SigningKey.generate)
    resources: dict[UUID, Resource] = field(default_factory=dict)
    asked: list[ConnectionRequest] = field(default_factory=list)
    down: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post(f"{PREFIX}/oauth/token", self._token)
        app.router.add_get(f"{PREFIX}/.well-known/jwks.json", self._jwks)
        app.router.add_get(f"{PREFIX}/internal/revocations", self._revocations)
        app.router.add_get(f"{PREFIX}/internal/resources", self._resources)
        app.router.add_post(f"{PREFIX}/internal/resources/{{resource}}/connection", self._connection)
        return app

    def token(self, tenant: TenantId, *, role: str = "operator", scopes: Sequence[str] | None = None) -> str:
        """A person's token."""
        grant = Grant(
            subject=uuid7(),
            kind="user",
            client_id="console",
            tenant=tenant,
            scopes=ROLES[role] if scopes is None else scopes,
            roles=(role,),
            session_id=str(uuid7()),
        )
        return issue(grant, key=self.key).token

    async def create(
        self, tenant: TenantId, connection: ConnectionInfo, *, name: str = "shop", told: bool = True
    ) -> ResourceId:
        """A new resource; Meta is `told` by a message, or finds it when it asks."""
        resource_id = ResourceId(uuid7())
        summary = ResourceSummary(
            resource_id=resource_id,
            tenant_id=tenant,
            resource_type=connection.type,
            name=name,
            version=1,
        )
        self.resources[resource_id] = Resource(summary, connection)
        if told:
            await self.tell(summary, "created")
        return resource_id

    async def change(
        self, resource_id: ResourceId, *, name: str | None = None, deleted: bool = False, told: bool = True
    ) -> None:
        """Rename or delete a resource."""
        resource = self.resources[resource_id]
        update = {"version": resource.summary.version + 1, "deleted": deleted}
        resource.summary = resource.summary.model_copy(update=update | ({"name": name} if name else {}))
        if told:
            await self.tell(resource.summary, "deleted" if deleted else "updated")

    async def tell(self, summary: ResourceSummary, change: str) -> None:
        """Send the message about a resource."""
        facts = summary.model_dump(mode="json", exclude={"deleted"})
        await self.send(ResourceChanged.model_validate({**facts, "change": change}).model_dump(mode="json"))

    async def send(self, data: dict[str, object]) -> None:
        envelope = Envelope(
            source="/penstock/system", type=ResourceChanged.type, subject="resource", data=data
        )
        await self.bus.publish(
            envelope.model_dump_json().encode(),
            to=RESOURCE_CHANGED,
            message_id=str(envelope.id),
            message_type=envelope.type,
        )

    async def _token(self, _: web.Request) -> web.Response:
        if self.down:
            return web.json_response({}, status=503)
        grant = Grant(
            subject=uuid7(),
            kind="service",
            client_id="meta",
            tenant=None,
            scopes=("resource:connect", "session:check"),
            roles=("service",),
            session_id=str(uuid7()),
        )
        issued = issue(grant, key=self.key)
        return web.json_response(
            {"access_token": issued.token, "token_type": "Bearer", "expires_in": issued.lifetime}
        )

    async def _jwks(self, _: web.Request) -> web.Response:
        return web.json_response(LocalKeys(self.key).jwks())

    async def _revocations(self, _: web.Request) -> web.Response:
        return web.json_response({"session_ids": []})

    async def _resources(self, _: web.Request) -> web.Response:
        if self.down:
            return web.json_response({}, status=503)
        items = [each.summary.model_dump(mode="json") for each in self.resources.values()]
        return web.json_response({"items": items, "next_cursor": None})

    async def _connection(self, request: web.Request) -> web.Response:
        wanted = ConnectionRequest.model_validate_json(await request.read())
        self.asked.append(wanted)
        found = self.resources.get(UUID(request.match_info["resource"]))
        if found is None or found.summary.tenant_id != wanted.tenant_id or found.summary.deleted:
            return web.json_response({"code": "resource_unknown", "detail": "There is none."}, status=404)
        handed = ResourceConnection(
            resource_id=found.summary.resource_id,
            tenant_id=wanted.tenant_id,
            tenant_folder="acme",
            name=found.summary.name,
            version=found.summary.version,
            connection=found.connection,
            expires_at=clock.now() + timedelta(minutes=5),
        ).model_dump(mode="json")
        for name in handed["connection"].keys() & set(SECRET_FIELDS):
            handed["connection"][name] = getattr(found.connection, name).get_secret_value()
        return web.json_response(handed)
