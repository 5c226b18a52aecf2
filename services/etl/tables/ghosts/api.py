from collections.abc import Mapping
from typing import Final

from services.etl.tables import errors, views
from services.etl.tables.plans.api import CHANGE_ERRORS, TARGET_ERRORS, answered, may_see_values
from services.etl.tables.plans.applying import Applied
from services.etl.tables.schemas import DataTableView
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request
from shared.http.responses import Accepted, Created
from shared.identifiers import DataTableId

from . import views as repair_views
from .errors import OrphanUnknown, RepairImpossible
from .inspecting import Inspecting
from .orphans import Orphans
from .repairing import Repairing
from .schemas import (
    GhostQuery,
    GhostView,
    InspectionView,
    InspectQuery,
    OrphanAdoption,
    OrphanInput,
    OrphanQuery,
    OrphanView,
    Repair,
    RepairPlanView,
    RepairRequest,
)

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""As plans have them."""

_RESOURCE_ERRORS: Final = (errors.ResourceNotFound, errors.ResourceUnsuitable, *TARGET_ERRORS)


@operation(
    "POST",
    "/data-tables/{table_id}/inspect",
    scopes=["table:read"],
    returns=InspectionView,
    errors=[errors.DataTableUnknown],
)
async def inspect_data_table(request: Request, table_id: DataTableId) -> InspectionView:
    """Look whether the physical table is as it was published.

    What is found decides whether the table is a ghost. A target that can't be reached is the answer's
    `problem`, and changes nothing.
    """
    return repair_views.inspection(await request.service(Inspecting).inspect(request.tenant, table_id))


@operation(
    "POST",
    "/data-tables:inspect",
    scopes=["table:read"],
    query=InspectQuery,
    returns=list[InspectionView],
)
async def inspect_data_tables(request: Request, query: InspectQuery) -> list[InspectionView]:
    """Look at all published data tables, or at those of one resource.

    The same is done by itself every so often.
    """
    found = await request.service(Inspecting).inspect_all(request.tenant, query.resource_id)
    return [repair_views.inspection(one) for one in found]


@operation("GET", "/ghosts", scopes=["table:read"], query=GhostQuery, returns=Page[GhostView])
async def list_ghosts(request: Request, query: GhostQuery) -> Page[GhostView]:
    """List the data tables whose physical table is gone or not as it was published.

    As the last look has shown it.
    """
    page = await request.service(Inspecting).ghosts(
        request.tenant, query.resource_id, limit=query.limit, cursor=query.cursor
    )
    return Page(items=[repair_views.ghost(row) for row in page.items], next_cursor=page.next_cursor)


@operation(
    "POST",
    "/data-tables/{table_id}/repair-plan",
    scopes=["table:read"],
    body=RepairRequest,
    returns=RepairPlanView,
    errors=[errors.DataTableUnknown, RepairImpossible, *TARGET_ERRORS],
)
async def plan_repair(request: Request, table_id: DataTableId, body: RepairRequest) -> RepairPlanView:
    """Show what a repair would do.

    To the target when the table is made anew, else to the configuration.
    """
    plan = await request.service(Repairing).plan(request.tenant, table_id, body.action)
    return repair_views.repair_plan(plan, samples=may_see_values(request))


@operation(
    "POST",
    "/data-tables/{table_id}/repair",
    scopes=["table:publish"],
    body=Repair,
    returns=DataTableView,
    errors=[errors.DataTableUnknown, RepairImpossible, errors.LocationTaken, *CHANGE_ERRORS],
)
async def repair_data_table(
    request: Request, table_id: DataTableId, body: Repair
) -> DataTableView | Accepted[DataTableView]:
    """Carry out a repair that was shown.

    One that takes long goes on by itself, as a publish does.
    """
    applied: Applied = await request.service(Repairing).repair(
        request.tenant,
        table_id,
        body.action,
        plan_hash=body.plan_hash,
        by=request.principal.subject,
        confirm=body.confirm,
    )
    return answered(applied)


@operation(
    "GET",
    "/orphan-tables",
    scopes=["table:read"],
    query=OrphanQuery,
    returns=list[OrphanView],
    errors=_RESOURCE_ERRORS,
)
async def list_orphan_tables(request: Request, query: OrphanQuery) -> list[OrphanView]:
    """List the tables in a resource with a mark of Penstock that belong to no data table."""
    found = await request.service(Inspecting).orphans(request.tenant, query.resource_id)
    return [repair_views.orphan(one) for one in found]


@operation(
    "POST",
    "/orphan-tables:adopt",
    scopes=["table:write", "table:publish"],
    body=OrphanAdoption,
    returns=DataTableView,
    errors=[OrphanUnknown, RepairImpossible, errors.LocationTaken, *_RESOURCE_ERRORS],
)
async def adopt_orphan_table(request: Request, body: OrphanAdoption) -> Created[DataTableView]:
    """Make a data table of an orphan: configured as it is, and synced.

    Nothing is changed in the target.
    """
    row = await request.service(Orphans).adopt(
        request.tenant,
        repair_views.place_of(body),
        display_name=body.display_name,
        by=request.principal.subject,
    )
    return Created(views.table(row), location=f"/data-tables/{row.id}")


@operation(
    "POST",
    "/orphan-tables:forget",
    scopes=["table:publish"],
    body=OrphanInput,
    errors=[OrphanUnknown, *_RESOURCE_ERRORS],
)
async def forget_orphan_table(request: Request, body: OrphanInput) -> None:
    """Take Penstock's mark off an orphan.

    The table and its rows stay as they are.
    """
    await request.service(Orphans).forget(request.tenant, repair_views.place_of(body))
