"""System, as Meta needs it: which resources there are, and how to connect to one."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from shared.contracts.connection import ConnectionRequest, ResourceConnection, ResourceSummary
from shared.contracts.identity import TenantScope
from shared.http.client import ServiceClient
from shared.http.paging import Page
from shared.identifiers import ResourceId

_PAGE: Final = 500


class SystemClient:
    """Calls System with Meta's own token. Raises what `ServiceClient.call` raises."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def connection(
        self, scope: TenantScope, resource_id: ResourceId, *, subject: UUID
    ) -> ResourceConnection:
        """How to connect to a resource, for the scan `subject`: to be used now and never written down."""
        return await self._client.call(
            "POST",
            f"/internal/resources/{resource_id}/connection",
            body=ConnectionRequest(tenant_id=scope.tenant_id, purpose="scan", subject=subject),
            returns=ResourceConnection,
        )

    async def resources(self) -> AsyncIterator[ResourceSummary]:
        """Every resource of every tenant, in the order of their last change; deleted ones too."""
        cursor: str | None = None
        while True:
            page = await self._client.call(
                "GET",
                "/internal/resources",
                query={"limit": _PAGE, "cursor": cursor},
                returns=Page[ResourceSummary],
            )
            for summary in page.items:
                yield summary
            if page.next_cursor is None:
                return
            cursor = page.next_cursor
