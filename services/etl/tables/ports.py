"""What data tables ask of their neighbours."""

from typing import Protocol

from pydantic import BaseModel, Field

from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession
from shared.identifiers import DataTableId, RunId, TaskId

from .definition import TableDefinition


class AffectedTask(BaseModel):
    """A task that fills the table, and what breaks in it with the change."""

    id: TaskId
    name: str
    breaks: list[str] = Field(default_factory=list)


class TableUsers(Protocol):
    """Whoever fills data tables."""

    async def tasks_of(
        self,
        session: ReadSession,
        scope: TenantScope,
        table_id: DataTableId,
        *,
        wanted: TableDefinition | None = None,
    ) -> list[AffectedTask]:
        """The tasks that fill a data table, by name, and what breaks in them once it is as `wanted`."""

    async def require_none(self, session: ReadSession, scope: TenantScope, table_id: DataTableId) -> None:
        """Raise DataTableInUse while a task fills the table or a run is at work on it."""

    async def writing_run(
        self, session: ReadSession, scope: TenantScope, table_id: DataTableId
    ) -> RunId | None:
        """A run that writes the table, or may have written it and hasn't been asked since."""
