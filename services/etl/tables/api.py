from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.etl.tables.plans.api import TARGET_ERRORS
from services.etl.tables.plans.applying import Applying
from services.etl.tables.plans.errors import ConfirmationNeeded
from shared.engines.errors import ConnectFailedForNow, ConnectRefused
from shared.errors import PenstockError, VersionOutdated
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.http.responses import Created
from shared.identifiers import DataTableId

from . import errors, views
from .categories import CategoryService
from .changing import errors as changing
from .schemas import (
    CategoryInput,
    CategoryView,
    DataTableInput,
    DataTableQuery,
    DataTableSummary,
    DataTableUpdate,
    DataTableView,
    DeleteQuery,
)
from .service import DataTableService

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {ConnectRefused: 409, ConnectFailedForNow: 503}


@operation(
    "POST",
    "/table-categories",
    scopes=["table:write"],
    body=CategoryInput,
    returns=CategoryView,
    errors=[errors.CategoryTaken],
)
async def create_table_category(request: Request, body: CategoryInput) -> Created[CategoryView]:
    """Create a category for data tables."""
    row = await request.service(CategoryService).create(request.tenant, body)
    return Created(views.category(row), location=f"/table-categories/{row.id}")


@operation("GET", "/table-categories", scopes=["table:read"], query=PageQuery, returns=Page[CategoryView])
async def list_table_categories(request: Request, query: PageQuery) -> Page[CategoryView]:
    """List the categories of data tables."""
    page = await request.service(CategoryService).listed(
        request.tenant, limit=query.limit, cursor=query.cursor
    )
    return views.categories(page)


@operation(
    "GET",
    "/table-categories/{category_id}",
    scopes=["table:read"],
    returns=CategoryView,
    errors=[errors.CategoryUnknown],
)
async def get_table_category(request: Request, category_id: UUID) -> CategoryView:
    """Show a category."""
    return views.category(await request.service(CategoryService).get(request.tenant, category_id))


@operation(
    "PUT",
    "/table-categories/{category_id}",
    scopes=["table:write"],
    body=CategoryInput,
    returns=CategoryView,
    errors=[errors.CategoryUnknown, errors.CategoryTaken, VersionOutdated],
    if_match=True,
)
async def replace_table_category(request: Request, category_id: UUID, body: CategoryInput) -> CategoryView:
    """Change a category."""
    row = await request.service(CategoryService).replace(
        request.tenant, category_id, body, version=request.if_match
    )
    return views.category(row)


@operation(
    "DELETE",
    "/table-categories/{category_id}",
    scopes=["table:write"],
    errors=[errors.CategoryUnknown, errors.DataTableInUse, VersionOutdated],
    if_match=True,
)
async def delete_table_category(request: Request, category_id: UUID) -> None:
    """Delete an empty category."""
    await request.service(CategoryService).delete(request.tenant, category_id, version=request.if_match)


@operation(
    "POST",
    "/data-tables",
    scopes=["table:write"],
    body=DataTableInput,
    returns=DataTableView,
    errors=[
        errors.DefinitionInvalid,
        errors.ResourceNotFound,
        errors.CategoryNotFound,
        errors.LocationTaken,
    ],
)
async def create_data_table(request: Request, body: DataTableInput) -> Created[DataTableView]:
    """Create a data table as a draft.

    Nothing is done in the target before the table is published.
    """
    row = await request.service(DataTableService).create(request.tenant, body, by=request.principal.subject)
    return Created(views.table(row), location=f"/data-tables/{row.id}")


@operation("GET", "/data-tables", scopes=["table:read"], query=DataTableQuery, returns=Page[DataTableSummary])
async def list_data_tables(request: Request, query: DataTableQuery) -> Page[DataTableSummary]:
    """List data tables."""
    return views.summaries(await request.service(DataTableService).listed(request.tenant, query))


@operation(
    "GET",
    "/data-tables/{table_id}",
    scopes=["table:read"],
    returns=DataTableView,
    errors=[errors.DataTableUnknown],
)
async def get_data_table(request: Request, table_id: DataTableId) -> DataTableView:
    """Show a data table with its definition."""
    return views.table(await request.service(DataTableService).get(request.tenant, table_id))


@operation(
    "PATCH",
    "/data-tables/{table_id}",
    scopes=["table:write"],
    body=DataTableUpdate,
    returns=DataTableView,
    errors=[
        errors.DataTableUnknown,
        errors.DefinitionInvalid,
        errors.PublishedTableFixed,
        changing.TableIsChanging,
        errors.LocationTaken,
        VersionOutdated,
    ],
    if_match=True,
)
async def update_data_table(request: Request, table_id: DataTableId, body: DataTableUpdate) -> DataTableView:
    """Change a data table.

    A published table can change in everything but its resource and its schema; the change reaches the
    target with the next publish. Another definition or physical name is a new revision.
    """
    row = await request.service(DataTableService).update(
        request.tenant, table_id, body, version=request.if_match, by=request.principal.subject
    )
    return views.table(row)


@operation(
    "DELETE",
    "/data-tables/{table_id}",
    scopes=["table:write", "table:publish"],
    query=DeleteQuery,
    errors=[
        errors.DataTableUnknown,
        errors.DataTableInUse,
        ConfirmationNeeded,
        errors.NotOurTable,
        changing.TableIsChanging,
        changing.TableHasRun,
        *TARGET_ERRORS,
        VersionOutdated,
    ],
    if_match=True,
)
async def delete_data_table(request: Request, table_id: DataTableId, query: DeleteQuery) -> None:
    """Forget a data table, or drop it with its rows."""
    applying, version, by = request.service(Applying), request.if_match, request.principal.subject
    if query.physical == "keep":
        await applying.forget(request.tenant, table_id, version=version, by=by)
        return
    await applying.drop(request.tenant, table_id, version=version, confirm=query.confirm, by=by)
