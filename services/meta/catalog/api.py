from collections.abc import Mapping
from uuid import UUID

from services.meta.catalog.errors import CatalogDatabaseUnknown, CatalogTableUnknown
from services.meta.catalog.schemas import (
    DatabaseQuery,
    DatabaseView,
    FieldQuery,
    FieldView,
    TableDetail,
    TableQuery,
    TableView,
)
from services.meta.catalog.service import Catalog
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request

STATUS_OF: Mapping[type[PenstockError], int] = {CatalogDatabaseUnknown: 404, CatalogTableUnknown: 404}


@operation("GET", "/databases", query=DatabaseQuery, returns=Page[DatabaseView], scopes=["catalog:read"])
async def list_databases(request: Request, query: DatabaseQuery) -> Page[DatabaseView]:
    """List databases."""
    return await request.service(Catalog).databases(request.tenant, query)


@operation(
    "GET",
    "/databases/{database}",
    returns=DatabaseView,
    scopes=["catalog:read"],
    errors=[CatalogDatabaseUnknown],
)
async def get_database(request: Request, database: UUID) -> DatabaseView:
    """Show a database."""
    return await request.service(Catalog).database(request.tenant, database)


@operation("GET", "/tables", query=TableQuery, returns=Page[TableView], scopes=["catalog:read"])
async def list_tables(request: Request, query: TableQuery) -> Page[TableView]:
    """List tables and views."""
    return await request.service(Catalog).tables(request.tenant, query)


@operation(
    "GET", "/tables/{table}", returns=TableDetail, scopes=["catalog:read"], errors=[CatalogTableUnknown]
)
async def get_table(request: Request, table: UUID) -> TableDetail:
    """Show a table with its fields, keys, indexes and constraints."""
    return await request.service(Catalog).table(request.tenant, table)


@operation("GET", "/fields", query=FieldQuery, returns=Page[FieldView], scopes=["catalog:read"])
async def list_fields(request: Request, query: FieldQuery) -> Page[FieldView]:
    """List fields of tables and views."""
    return await request.service(Catalog).fields(request.tenant, query)
