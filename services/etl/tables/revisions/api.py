from collections.abc import Mapping
from typing import Final

from services.etl.tables import errors, views
from services.etl.tables.schemas import DataTableView
from shared.errors import PenstockError, VersionOutdated
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request
from shared.identifiers import DataTableId

from . import views as revision_views
from .schemas import (
    CompareQuery,
    ComparisonView,
    RevisionNumber,
    RevisionQuery,
    RevisionSummary,
    RevisionView,
)
from .service import RevisionService

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""


@operation(
    "GET",
    "/data-tables/{table_id}/revisions",
    scopes=["table:read"],
    query=RevisionQuery,
    returns=Page[RevisionSummary],
    errors=[errors.DataTableUnknown],
)
async def list_data_table_revisions(
    request: Request, table_id: DataTableId, query: RevisionQuery
) -> Page[RevisionSummary]:
    """List the revisions of a data table, the newest first."""
    page = await request.service(RevisionService).listed(request.tenant, table_id, query)
    return revision_views.summaries(page)


@operation(
    "GET",
    "/data-tables/{table_id}/revisions/{revision}",
    scopes=["table:read"],
    returns=RevisionView,
    errors=[errors.DataTableUnknown, errors.RevisionUnknown],
)
async def get_data_table_revision(
    request: Request, table_id: DataTableId, revision: RevisionNumber
) -> RevisionView:
    """Show a revision with its definition."""
    return revision_views.revision(
        await request.service(RevisionService).get(request.tenant, table_id, revision)
    )


@operation(
    "GET",
    "/data-tables/{table_id}/compare",
    scopes=["table:read"],
    query=CompareQuery,
    returns=ComparisonView,
    errors=[errors.DataTableUnknown, errors.RevisionUnknown],
)
async def compare_data_table_revisions(
    request: Request, table_id: DataTableId, query: CompareQuery
) -> ComparisonView:
    """Compare two revisions of a data table.

    What was published last is compared with what is configured now, unless the query names others.
    """
    return await request.service(RevisionService).compare(request.tenant, table_id, query)


@operation(
    "POST",
    "/data-tables/{table_id}/revisions/{revision}/restore",
    scopes=["table:write"],
    returns=DataTableView,
    errors=[
        errors.DataTableUnknown,
        errors.RevisionUnknown,
        errors.DefinitionInvalid,
        errors.PublishedTableFixed,
        errors.LocationTaken,
        VersionOutdated,
    ],
    if_match=True,
)
async def restore_data_table_revision(
    request: Request, table_id: DataTableId, revision: RevisionNumber
) -> DataTableView:
    """Go back to a revision: its definition and its place become a new revision.

    Names, category and tags stay as they are; the target follows with the next publish.
    """
    row = await request.service(RevisionService).restore(
        request.tenant, table_id, revision, version=request.if_match, by=request.principal.subject
    )
    return views.table(row)
