"""System, as Meta needs it: which resources there are, and how to connect to one."""

from collections.abc import AsyncIterator
from typing import Literal
from uuid import UUID

from shared.contracts.connection import ConnectionRequest, ResourceConnection, ResourceSummary
from shared.contracts.identity import TenantScope
from shared.http.client import ServiceClient
from shared.identifiers import ResourceId


class SystemClient:
    """Calls System with Meta's own token. Raises what `ServiceClient.call` raises."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def connection(
        self,
        scope: TenantScope,
        resource_id: ResourceId,
        *,
        purpose: Literal["scan", "test"] = "scan",
        subject: UUID | None,
    ) -> ResourceConnection:
        """How to connect to a resource, for the scan `subject`: to be used now and never written down."""
        return await self._client.call(
            "POST",
            f"/internal/resources/{resource_id}/connection",
            body=ConnectionRequest(tenant_id=scope.tenant_id, purpose=purpose, subject=subject),
            returns=ResourceConnection,
        )

    def resources(self) -> AsyncIterator[ResourceSummary]:
        """Every resource of every tenant, in the order of their last change; deleted ones too."""
        return self._client.every("/internal/resources", ResourceSummary)
