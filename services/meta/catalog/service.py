"""The catalog as people see it."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from services.meta.catalog.models import CatalogTable
from services.meta.catalog.repository import Databases, Fields, Tables, Volume
from services.meta.catalog.schemas import (
    ConstraintView,
    DatabaseQuery,
    DatabaseView,
    FieldQuery,
    FieldView,
    IndexView,
    KeyView,
    TableDetail,
    TableQuery,
    TableView,
)
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.http.paging import Page

_FACTS = (
    "id",
    "datasource_id",
    "database_id",
    "schema_name",
    "name",
    "type",
    "engine",
    "owner",
    "comment",
    "field_count",
    "is_readable",
    "scan_error",
    "removed_at",
)


class Catalog:
    """Shows a tenant's databases, tables and fields."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def databases(self, scope: TenantScope, query: DatabaseQuery) -> Page[DatabaseView]:
        """Databases in the order of their names."""
        async with self._database.read() as session:
            page = await Databases(session).listed(scope, query)
        items = [DatabaseView.model_validate(each) for each in page.items]
        return Page(items=items, next_cursor=page.next_cursor)

    async def database(self, scope: TenantScope, database_id: UUID) -> DatabaseView:
        """Raises `CatalogDatabaseUnknown`."""
        async with self._database.read() as session:
            return DatabaseView.model_validate(await Databases(session).get(scope, database_id))

    async def tables(self, scope: TenantScope, query: TableQuery) -> Page[TableView]:
        """Tables in the order of their names."""
        async with self._database.read() as session:
            tables = Tables(session)
            page = await tables.listed(scope, query)
            volumes = await tables.volumes(scope, page.items)
        items = [TableView(**_facts(each, volumes[each.id])) for each in page.items]
        return Page(items=items, next_cursor=page.next_cursor)

    async def table(self, scope: TenantScope, table_id: UUID) -> TableDetail:
        """A table with everything that is known of it. Raises `CatalogTableUnknown`."""
        async with self._database.read() as session:
            tables = Tables(session)
            table = await tables.get(scope, table_id)
            volumes = await tables.volumes(scope, [table])
            fields = await Fields(session).of_table(scope, table_id)
            database = await Databases(session).get(scope, table.database_id)
        return TableDetail(
            **_facts(table, volumes[table.id]),
            database=database.name,
            definition=table.definition,
            partition_key=table.partition_key,
            fields=[FieldView.model_validate(field) for field in fields],
            keys=[KeyView.model_validate(key) for key in table.keys],
            indexes=[IndexView.model_validate(index) for index in table.indexes],
            constraints=[ConstraintView.model_validate(each) for each in table.constraints],
        )

    async def fields(self, scope: TenantScope, query: FieldQuery) -> Page[FieldView]:
        """Fields; those of one table in the order of their positions."""
        async with self._database.read() as session:
            page = await Fields(session).listed(scope, query)
        items = [FieldView.model_validate(each) for each in page.items]
        return Page(items=items, next_cursor=page.next_cursor)


def _facts(table: CatalogTable, volume: Volume) -> dict[str, Any]:
    return {**{name: getattr(table, name) for name in _FACTS}, **asdict(volume)}
