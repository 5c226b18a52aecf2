from collections.abc import Mapping
from typing import Final
from uuid import UUID

from services.etl.tables import errors
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery
from shared.http.request import Request
from shared.identifiers import DataTableId

from .errors import ChangeUnknown
from .history import History
from .schemas import ChangeView, view

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""


@operation(
    "GET",
    "/data-tables/{table_id}/history",
    scopes=["table:read"],
    tags=["changes"],
    query=PageQuery,
    returns=Page[ChangeView],
    errors=[errors.DataTableUnknown],
)
async def list_data_table_changes(
    request: Request, table_id: DataTableId, query: PageQuery
) -> Page[ChangeView]:
    """List the changes of a physical table, newest first.

    Those of a data table that was deleted stay.
    """
    page = await request.service(History).of(request.tenant, table_id, limit=query.limit, cursor=query.cursor)
    return Page(items=[view(row) for row in page.items], next_cursor=page.next_cursor)


@operation(
    "GET",
    "/data-tables/{table_id}/history/{change_id}",
    scopes=["table:read"],
    tags=["changes"],
    returns=ChangeView,
    errors=[ChangeUnknown],
)
async def get_data_table_change(request: Request, table_id: DataTableId, change_id: UUID) -> ChangeView:
    """Show a change with its statements, and while it is under way how far it is."""
    return view(await request.service(History).one(request.tenant, table_id, change_id))


@operation(
    "GET",
    "/data-table-changes",
    scopes=["table:read"],
    tags=["changes"],
    query=PageQuery,
    returns=Page[ChangeView],
)
async def list_changes(request: Request, query: PageQuery) -> Page[ChangeView]:
    """List the changes of all physical tables, newest first."""
    page = await request.service(History).all(request.tenant, limit=query.limit, cursor=query.cursor)
    return Page(items=[view(row) for row in page.items], next_cursor=page.next_cursor)
