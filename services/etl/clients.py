"""Other services as the ETL service sees them."""

from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

from shared.contracts.connection import ConnectionRequest, ResourceConnection, ResourceSummary
from shared.contracts.identity import TenantScope
from shared.errors import NotFound, Unavailable
from shared.http.client import RemoteRefusal, ServiceClient
from shared.identifiers import ResourceId
from shared.observe import logs

Purpose = Literal["run", "publish", "preview"]
_NOT_FOUND = 404

_log = logs.get(__name__)


class ResourceUnknown(NotFound):
    """There is no resource {resource_id}."""


class SystemClient:
    """System: it alone keeps connection info. Nothing of an answer is kept here, in memory or elsewhere."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def connection(
        self, scope: TenantScope, resource_id: ResourceId, *, purpose: Purpose, subject: UUID | None
    ) -> ResourceConnection:
        """The connection info of a tenant's resource, for `subject`: a run or a data table.

        Every call is an entry in the audit log. Raises ResourceUnknown, or a Transient error when
        System can't answer now.
        """
        try:
            return await self._client.call(
                "POST",
                f"/internal/resources/{resource_id}/connection",
                body=ConnectionRequest(tenant_id=scope.tenant_id, purpose=purpose, subject=subject),
                returns=ResourceConnection,
            )
        except RemoteRefusal as refusal:
            if refusal.status == _NOT_FOUND:
                raise ResourceUnknown(resource_id=resource_id) from None
            _log.error("connection_refused_by_system", status=refusal.status, code=refusal.remote_code)
            raise Unavailable(what="System") from refusal

    def resources(self) -> AsyncIterator[ResourceSummary]:
        """Every resource of every tenant, deleted ones too. Raises what `ServiceClient.every` raises."""
        return self._client.every("/internal/resources", ResourceSummary)
