"""Resources for tests, as System hands them out."""

from datetime import timedelta

from shared import clock
from shared.contracts.connection import ConnectionInfo, ResourceConnection
from shared.identifiers import ResourceId, TenantId, uuid7


def handed_out(
    connection: ConnectionInfo,
    *,
    resource_id: ResourceId | None = None,
    tenant_id: TenantId | None = None,
    tenant_folder: str = "default",
) -> ResourceConnection:
    """A resource with this connection, of a tenant of its own where none is given, for the next hour."""
    return ResourceConnection(
        resource_id=resource_id or ResourceId(uuid7()),
        tenant_id=tenant_id or TenantId(uuid7()),
        tenant_folder=tenant_folder,
        name="warehouse",
        version=1,
        connection=connection,
        expires_at=clock.now() + timedelta(hours=1),
    )
