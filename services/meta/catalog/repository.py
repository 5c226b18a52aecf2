"""The catalog for reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from services.meta.catalog.errors import CatalogDatabaseUnknown, CatalogTableUnknown
from services.meta.catalog.models import (
    CatalogDatabase,
    CatalogField,
    CatalogSchema,
    CatalogTable,
    CatalogTableStat,
)
from services.meta.catalog.schemas import DatabaseQuery, FieldQuery, TableQuery
from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository


@dataclass(frozen=True, slots=True)
class Volume:
    """What is kept apart from a table: its statistics, and when it was last read."""

    row_count: int | None
    data_size_bytes: int | None
    index_size_bytes: int | None
    last_scan_at: datetime | None


class Databases(Repository[CatalogDatabase]):
    """A tenant's databases."""

    model = CatalogDatabase

    async def get(self, scope: TenantScope, database_id: UUID) -> CatalogDatabase:
        """Raises `CatalogDatabaseUnknown`."""
        found = await self.find(scope, database_id)
        if found is None:
            raise CatalogDatabaseUnknown(database_id=database_id)
        return found

    async def listed(self, scope: TenantScope, query: DatabaseQuery) -> Page[CatalogDatabase]:
        """Databases by the query's filters."""
        statement = _alive(self.of(scope), CatalogDatabase, removed=query.removed)
        statement = _named(statement, CatalogDatabase, query.name)
        if query.datasource_id is not None:
            statement = statement.where(CatalogDatabase.datasource_id == query.datasource_id)
        return await self.page(statement, limit=query.limit, cursor=query.cursor, key=CatalogDatabase.name)


class Tables(Repository[CatalogTable]):
    """A tenant's tables and views."""

    model = CatalogTable

    async def get(self, scope: TenantScope, table_id: UUID) -> CatalogTable:
        """Raises `CatalogTableUnknown`."""
        found = await self.find(scope, table_id)
        if found is None:
            raise CatalogTableUnknown(table_id=table_id)
        return found

    async def listed(self, scope: TenantScope, query: TableQuery) -> Page[CatalogTable]:
        """Tables by the query's filters."""
        statement = _alive(self.of(scope), CatalogTable, removed=query.removed)
        statement = _named(statement, CatalogTable, query.name)
        wanted = query.model_dump(
            include={"datasource_id", "database_id", "schema_name", "type"}, exclude_none=True
        )
        return await self.page(
            statement.filter_by(**wanted), limit=query.limit, cursor=query.cursor, key=CatalogTable.name
        )

    async def volumes(self, scope: TenantScope, tables: Sequence[CatalogTable]) -> dict[UUID, Volume]:
        """Statistics of tables. A table was last read with its schema, or later by itself."""
        table, stat = CatalogTable, CatalogTableStat
        volumes = (stat.row_count, stat.data_size_bytes, stat.index_size_bytes)
        times = (stat.last_scan_at.label("own_at"), CatalogSchema.last_scan_at.label("schema_at"))
        found = await self._session.execute(
            select(table.id, table.scan_error, table.removed_at, *volumes, *times)
            .join(CatalogSchema, CatalogSchema.id == table.schema_id)
            .outerjoin(stat, stat.table_id == table.id)
            .where(table.tenant_id == scope.tenant_id, table.id.in_([each.id for each in tables]))
        )
        return {
            row.id: Volume(row.row_count, row.data_size_bytes, row.index_size_bytes, _last_scan_at(row))
            for row in found
        }


class Fields(Repository[CatalogField]):
    """A tenant's fields."""

    model = CatalogField

    async def of_table(self, scope: TenantScope, table_id: UUID) -> Sequence[CatalogField]:
        """The fields that a table has now, in their order."""
        statement = self.of(scope).where(CatalogField.table_id == table_id, CatalogField.removed_at.is_(None))
        return (await self._session.scalars(statement.order_by(CatalogField.position))).all()

    async def listed(self, scope: TenantScope, query: FieldQuery) -> Page[CatalogField]:
        """Fields by the query's filters; a field of a removed table is removed as well."""
        statement = self.of(scope).join(CatalogTable, CatalogTable.id == CatalogField.table_id)
        if query.removed:
            statement = statement.where(
                CatalogField.removed_at.is_not(None) | CatalogTable.removed_at.is_not(None)
            )
        else:
            statement = statement.where(CatalogField.removed_at.is_(None), CatalogTable.removed_at.is_(None))
        statement = _named(statement, CatalogField, query.name)
        for column, wanted in (
            (CatalogTable.datasource_id, query.datasource_id),
            (CatalogTable.database_id, query.database_id),
            (CatalogField.table_id, query.table_id),
            (CatalogField.data_type, query.data_type),
            (CatalogField.column_key, query.column_key),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        key = CatalogField.position if query.table_id is not None else None
        return await self.page(statement, limit=query.limit, cursor=query.cursor, key=key)


def _alive(statement: Select[Any], model: type[Any], *, removed: bool) -> Select[Any]:
    return statement.where(model.removed_at.is_not(None) if removed else model.removed_at.is_(None))


def _named(statement: Select[Any], model: type[Any], part: str | None) -> Select[Any]:
    return statement if part is None else statement.where(model.name.icontains(part, autoescape=True))


def _last_scan_at(row: Any) -> datetime | None:
    """A failed table was not read with its schema, and a removed one not after it was gone."""
    times = [row.own_at, None if row.scan_error else row.schema_at]
    last = max((each for each in times if each is not None), default=None)
    return last if last is None or row.removed_at is None else min(last, row.removed_at)
