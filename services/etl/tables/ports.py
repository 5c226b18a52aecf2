"""What data tables ask of their neighbours."""

from typing import Protocol

from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession
from shared.identifiers import DataTableId

from .plan_schemas import AffectedTask


class TableUsers(Protocol):
    """Whoever fills data tables."""

    async def tasks_of(
        self, session: ReadSession, scope: TenantScope, table_id: DataTableId
    ) -> list[AffectedTask]:
        """The tasks that fill a data table, by name."""

    async def require_none(self, session: ReadSession, scope: TenantScope, table_id: DataTableId) -> None:
        """Raise DataTableInUse while a task fills the table or a run is at work on it."""
