from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, select

from shared.contracts.identity import TenantScope
from shared.db.errors import unique_or
from shared.db.repository import Page, Repository, WritableRepository, expect_version
from shared.db.session import ReadSession, WriteSession

from .definition import TableDefinition
from .errors import CategoryTaken, CategoryUnknown, DataTableInUse, DataTableUnknown, LocationTaken
from .models import DataTable, DataTableRevision, TableCategory
from .schemas import DataTableQuery


class Categories(Repository[TableCategory]):
    """Categories of a tenant."""

    model = TableCategory

    async def get(
        self, scope: TenantScope, category_id: UUID, *, version: int | None = None
    ) -> TableCategory:
        """The category, at this version if one is given. Raises CategoryUnknown or VersionOutdated."""
        found = await self.find(scope, category_id)
        if found is None:
            raise CategoryUnknown(category_id=category_id)
        if version is not None:
            expect_version(found, version)
        return found

    async def listed(self, scope: TenantScope, *, limit: int, cursor: str | None) -> Page[TableCategory]:
        """Categories in the order in which they were made."""
        return await self.page(self.of(scope), limit=limit, cursor=cursor)


class WritableCategories(Categories, WritableRepository[TableCategory]):
    """Categories in a unit of work."""

    async def save(self, row: TableCategory) -> TableCategory:
        """Insert or update. Raises CategoryTaken."""
        with unique_or(CategoryTaken(name=row.name, loc=("body", "name"))):
            return await self.add(row)

    async def erase(self, scope: TenantScope, row: TableCategory) -> None:
        """Delete an empty category. Raises DataTableInUse while a data table is in it."""
        inside = select(func.count()).where(
            DataTable.tenant_id == scope.tenant_id, DataTable.category_id == row.id
        )
        if count := await self._session.scalar(inside):
            raise DataTableInUse(users=f"the category holds {count} data table(s)")
        await self.remove(row)


class DataTables(Repository[DataTable]):
    """Data tables of a tenant."""

    model = DataTable

    async def get(self, scope: TenantScope, table_id: UUID, *, version: int | None = None) -> DataTable:
        """The data table, at this version if one is given. Raises DataTableUnknown or VersionOutdated."""
        found = await self.find(scope, table_id)
        if found is None:
            raise DataTableUnknown(table_id=table_id)
        if version is not None:
            expect_version(found, version)
        return found

    async def listed(self, scope: TenantScope, query: DataTableQuery) -> Page[DataTable]:
        """Data tables in the order in which they were made."""
        statement = self.of(scope)
        if query.category_id is not None:
            statement = statement.where(DataTable.category_id == query.category_id)
        if query.resource_id is not None:
            statement = statement.where(DataTable.resource_id == query.resource_id)
        if query.state is not None:
            statement = statement.where(DataTable.state == query.state)
        return await self.page(statement, limit=query.limit, cursor=query.cursor)


class WritableDataTables(DataTables, WritableRepository[DataTable]):
    """Data tables in a unit of work."""

    async def save(self, row: DataTable) -> DataTable:
        """Insert or update. Raises LocationTaken."""
        with unique_or(LocationTaken(location=str(row.location), loc=("body", "physical_name"))):
            return await self.add(row)


class Revisions:
    """The definitions of a data table that were published or began to be; the table was found before."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def published(self, table: DataTable) -> list[DataTableRevision]:
        """The newest hundred published revisions, newest first."""
        return list(
            await self._session.scalars(
                _of(table)
                .where(DataTableRevision.published_at.is_not(None))
                .order_by(DataTableRevision.revision.desc())
                .limit(100)
            )
        )

    async def current(self, table: DataTable) -> TableDefinition | None:
        """The definition that the physical table came from, or None for a draft."""
        if table.published_revision is None:
            return None
        row = await self._session.get(DataTableRevision, (table.id, table.published_revision))
        return TableDefinition.model_validate(row.definition) if row else None

    async def begun(self, table: DataTable) -> Mapping[int, TableDefinition]:
        """Definitions whose publish began after the last one that we know to have ended."""
        after = _of(table).where(DataTableRevision.revision > (table.published_revision or 0))
        rows = await self._session.scalars(after)
        return {row.revision: TableDefinition.model_validate(row.definition) for row in rows}


class WritableRevisions(Revisions):
    """Revisions in a unit of work."""

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._writing = session

    async def begin(self, table: DataTable, *, by: UUID, now: datetime) -> None:
        """Write down that the current definition is about to be published."""
        if await self._session.get(DataTableRevision, (table.id, table.revision)) is None:
            self._writing.add(
                DataTableRevision(
                    table_id=table.id,
                    revision=table.revision,
                    definition=table.definition,
                    created_at=now,
                    created_by=by,
                    published_at=None,
                )
            )
            await self._writing.flush()

    async def end(self, table: DataTable, *, revision: int, now: datetime) -> None:
        """Write down that a revision was published; attempts before it are forgotten."""
        row = await self._session.get(DataTableRevision, (table.id, revision))
        assert row is not None, "a publish begins with its revision"
        row.published_at = now
        await self._writing.flush()
        await self._session.execute(
            delete(DataTableRevision).where(
                DataTableRevision.table_id == table.id,
                DataTableRevision.revision < revision,
                DataTableRevision.published_at.is_(None),
            )
        )


def _of(table: DataTable) -> Select[Any]:
    return select(DataTableRevision).where(DataTableRevision.table_id == table.id)
