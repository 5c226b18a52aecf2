"""What was changed before, by whom, and what is under way."""

from uuid import UUID

from services.etl.tables.models import DataTableChange
from services.etl.tables.repository import DataTables
from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.identifiers import DataTableId

from .repository import Changes


class History:
    """Changes of physical tables; those of data tables that are gone, too."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self, scope: TenantScope, table_id: DataTableId, *, limit: int, cursor: str | None = None
    ) -> Page[DataTableChange]:
        """The changes of one data table, the newest first. Raises DataTableUnknown if it never had any."""
        async with self._database.read() as session:
            found = await Changes(session).newest(scope, table_id=table_id, limit=limit, cursor=cursor)
            if not found.items and cursor is None:
                await DataTables(session).get(scope, table_id)
            return found

    async def all(
        self, scope: TenantScope, *, limit: int, cursor: str | None = None
    ) -> Page[DataTableChange]:
        """The changes of all data tables of a tenant, the newest first."""
        async with self._database.read() as session:
            return await Changes(session).newest(scope, limit=limit, cursor=cursor)

    async def one(self, scope: TenantScope, table_id: DataTableId, change_id: UUID) -> DataTableChange:
        """One change. Raises ChangeUnknown."""
        async with self._database.read() as session:
            return await Changes(session).get(scope, table_id, change_id)
