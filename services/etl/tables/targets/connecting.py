"""From a data table to the database that holds it, with the connection info of this moment."""

from uuid import UUID

from services.etl.clients import ResourceUnknown, SystemClient
from services.etl.tables.dialects import DIALECTS, Dialect
from services.etl.tables.errors import ResourceChangedType, ResourceGone, ResourceNotFound, ResourceUnsuitable
from services.etl.tables.models import DataTable
from shared.contracts.identity import TenantScope
from shared.identifiers import ResourceId

from . import Targets
from .base import Target


class TableTargets:
    """Opens targets; System alone knows how they are reached."""

    def __init__(self, system: SystemClient, targets: Targets) -> None:
        self._system = system
        self._targets = targets

    async def of(self, scope: TenantScope, row: DataTable) -> Target:
        """The target of a data table.

        Raises ResourceGone, ResourceChangedType, ConnectRefused, or a Transient error without System.
        """
        try:
            found = await self._system.connection(scope, row.resource_id, purpose="publish", subject=row.id)
        except ResourceUnknown:
            raise ResourceGone from None
        if found.connection.type != row.resource_type:
            raise ResourceChangedType(found=found.connection.type, expected=row.resource_type)
        return self._targets.open(found)

    async def in_resource(
        self, scope: TenantScope, resource_id: ResourceId, *, subject: UUID | None = None
    ) -> tuple[Target, Dialect]:
        """The target of a resource. Raises ResourceNotFound, ResourceUnsuitable, or as `of`."""
        try:
            found = await self._system.connection(scope, resource_id, purpose="publish", subject=subject)
        except ResourceUnknown:
            raise ResourceNotFound(resource_id=resource_id) from None
        kind = found.connection.type
        if kind not in DIALECTS:
            raise ResourceUnsuitable(resource_type=kind, known=", ".join(DIALECTS))
        return self._targets.open(found), DIALECTS[kind]
