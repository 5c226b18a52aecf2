from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Text, cast, delete, func, or_, select, update

from shared.contracts.identity import TenantScope
from shared.db.errors import unique_or
from shared.db.repository import Page, Repository, WritableRepository, expect_version
from shared.db.session import ReadSession, WriteSession
from shared.db.types import json_text
from shared.http.paging import decode_cursor, encode_cursor
from shared.identifiers import ResourceId

from .definition import Location, TableDefinition
from .errors import (
    CategoryTaken,
    CategoryUnknown,
    DataTableInUse,
    DataTableUnknown,
    LocationTaken,
    RevisionUnknown,
)
from .models import DataTable, DataTableRevision, TableCategory
from .schemas import DataTableQuery

_UNPUBLISHED_KEPT = 200
"""Revisions that were never published, of one data table."""


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
        if query.tag is not None:
            statement = statement.where(_tagged(query.tag))
        if query.q is not None:
            names = (DataTable.display_name, DataTable.physical_name)
            statement = statement.where(or_(*(name.icontains(query.q, autoescape=True) for name in names)))
        return await self.page(statement, limit=query.limit, cursor=query.cursor)

    async def is_taken(self, row: DataTable, location: Location) -> bool:
        """Whether another data table of the tenant is configured for this place in the same resource."""
        others = self.of(TenantScope(row.tenant_id)).where(
            DataTable.resource_id == row.resource_id,
            DataTable.location_key == location.key,
            DataTable.id != row.id,
        )
        return await self._session.scalar(others.limit(1)) is not None

    async def names(self, scope: TenantScope, resource_id: ResourceId) -> set[str]:
        """The physical names of all data tables of a resource."""
        wanted = select(DataTable.physical_name).where(
            DataTable.tenant_id == scope.tenant_id, DataTable.resource_id == resource_id
        )
        return set(await self._session.scalars(wanted))


class WritableDataTables(DataTables, WritableRepository[DataTable]):
    """Data tables in a unit of work."""

    async def save(self, row: DataTable) -> DataTable:
        """Insert or update. Raises LocationTaken."""
        with unique_or(LocationTaken(location=str(row.location), loc=("body", "physical_name"))):
            return await self.add(row)


class Revisions:
    """The definitions that edits of a data table have left; the table was found before."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def listed(
        self, table: DataTable, *, limit: int, cursor: str | None, published: bool | None
    ) -> Page[DataTableRevision]:
        """Revisions, the newest first: all, or those that were published, or were not."""
        statement = _of(table)
        if published is not None:
            was = DataTableRevision.published_at.is_not(None)
            statement = statement.where(was if published else ~was)
        if cursor is not None:
            (last,) = decode_cursor(cursor, int)
            statement = statement.where(cast(DataTableRevision.revision, BigInteger) < last)
        ordered = statement.order_by(DataTableRevision.revision.desc()).limit(limit + 1)
        rows = list(await self._session.scalars(ordered))
        items = rows[:limit]
        return Page(items, encode_cursor(items[-1].revision) if len(rows) > limit else None)

    async def get(self, table: DataTable, revision: int) -> DataTableRevision:
        """One revision. Raises RevisionUnknown."""
        row = await self._session.get(DataTableRevision, (table.id, revision))
        if row is None:
            raise RevisionUnknown(revision=revision)
        return row

    async def previous(self, table: DataTable, revision: int) -> int:
        """The number of the revision before this one; its own where there is none."""
        before = select(func.max(DataTableRevision.revision)).where(
            DataTableRevision.table_id == table.id, DataTableRevision.revision < revision
        )
        return await self._session.scalar(before) or revision

    async def current(self, table: DataTable) -> TableDefinition | None:
        """The definition that the physical table came from, or None for a draft."""
        if table.published_revision is None:
            return None
        row = await self._session.get(DataTableRevision, (table.id, table.published_revision))
        return TableDefinition.model_validate(row.definition) if row else None

    async def begun(self, table: DataTable) -> Mapping[int, TableDefinition]:
        """Definitions whose publish began after the last one that we know to have ended."""
        return {row.revision: row.wanted for row in await self._begun(table)}

    async def names(self, table: DataTable) -> tuple[str, ...]:
        """The names under which the physical table may lie, the wanted one last."""
        begun = [row.physical_name for row in await self._begun(table)]
        known = [name for name in (table.published_name, *begun) if name is not None]
        return (*dict.fromkeys(name for name in known if name != table.physical_name), table.physical_name)

    async def _begun(self, table: DataTable) -> list[DataTableRevision]:
        after = DataTableRevision.revision > (table.published_revision or 0)
        statement = _of(table).where(after, DataTableRevision.begun_at.is_not(None))
        return list(await self._session.scalars(statement.order_by(DataTableRevision.revision)))


class WritableRevisions(Revisions):
    """Revisions in a unit of work."""

    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._writing = session

    async def keep(self, table: DataTable, *, by: UUID, now: datetime) -> DataTableRevision:
        """Write down the current definition and place, if they aren't yet, as a revision.

        Of those that were never published the newest two hundred stay.
        """
        row = await self._session.get(DataTableRevision, (table.id, table.revision))
        if row is None:
            row = DataTableRevision(
                table_id=table.id,
                revision=table.revision,
                definition=table.definition,
                schema_name=table.schema_name,
                physical_name=table.physical_name,
                created_at=now,
                created_by=by,
            )
            self._writing.add(row)
            await self._writing.flush()
            await self._prune(table)
        return row

    async def begin(self, table: DataTable, *, by: UUID, now: datetime) -> None:
        """Write down that the current definition is about to be published."""
        row = await self.keep(table, by=by, now=now)
        row.begun_at = now
        await self._writing.flush()

    async def end(self, table: DataTable, *, revision: int, now: datetime) -> None:
        """Write down that a revision was published."""
        row = await self._session.get(DataTableRevision, (table.id, revision))
        assert row is not None, "a publish begins with its revision"
        row.published_at = now
        await self._writing.flush()

    async def forget(self, table: DataTable) -> None:
        """Forget that publishes had begun: the physical table is none of ours any more."""
        await self._session.execute(
            update(DataTableRevision).where(DataTableRevision.table_id == table.id).values(begun_at=None)
        )

    async def _prune(self, table: DataTable) -> None:
        idle = _of(table).where(
            DataTableRevision.published_at.is_(None), DataTableRevision.begun_at.is_(None)
        )
        oldest = idle.order_by(DataTableRevision.revision.desc()).offset(_UNPUBLISHED_KEPT).limit(1)
        last: DataTableRevision | None = await self._session.one_or_none(oldest)
        if last is None:
            return
        await self._session.execute(
            delete(DataTableRevision).where(
                DataTableRevision.table_id == table.id,
                DataTableRevision.revision <= last.revision,
                DataTableRevision.published_at.is_(None),
                DataTableRevision.begun_at.is_(None),
            )
        )


def _tagged(tag: str) -> ColumnElement[bool]:
    """Both databases keep tags as JSON text, in which no quotation mark of a tag follows one of these."""
    text, spelled = cast(DataTable.tags, Text), json_text(tag)
    return or_(*(text.icontains(f"{before}{spelled}", autoescape=True) for before in ("[", ",", ", ")))


def _of(table: DataTable) -> Select[Any]:
    return select(DataTableRevision).where(DataTableRevision.table_id == table.id)
