from collections.abc import Mapping
from typing import Final

from shared.engines.errors import ConnectFailedForNow, ConnectRefused
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request
from shared.identifiers import DataTableId

from . import errors, plan_views, views
from .plan_schemas import PlanView, PublishPlan
from .publishing import Publishing
from .schemas import DataTableView

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {
    ConnectRefused: 409,
    ConnectFailedForNow: 503,
    errors.TargetBusy: 409,
    errors.TargetLost: 503,
}

_TARGET_ERRORS: Final = (
    errors.TableOccupied,
    errors.TableDrifted,
    errors.NameTaken,
    errors.TargetRefused,
    errors.PublishedTableFixed,
    errors.SchemaMissing,
    errors.ResourceGone,
    ConnectRefused,
    ConnectFailedForNow,
)


@operation(
    "POST",
    "/data-tables/{table_id}/plan",
    scopes=["table:read"],
    returns=PlanView,
    errors=[errors.DataTableUnknown, *_TARGET_ERRORS],
)
async def plan_data_table(request: Request, table_id: DataTableId) -> PlanView:
    """Compare a data table with its target and show the statements of a publish.

    The physical table is read now. A table that is gone, or isn't as it was published, becomes a ghost.
    """
    return plan_views.plan(await request.service(Publishing).plan(request.tenant, table_id))


@operation(
    "POST",
    "/data-tables/{table_id}/publish",
    scopes=["table:publish"],
    body=PublishPlan,
    returns=DataTableView,
    errors=[
        errors.DataTableUnknown,
        errors.PlanOutdated,
        errors.TargetHalfway,
        errors.TargetBusy,
        *_TARGET_ERRORS,
    ],
)
async def publish_data_table(request: Request, table_id: DataTableId, body: PublishPlan) -> DataTableView:
    """Carry out a plan that was shown: all of it in one transaction of the target, or nothing.

    MySQL and MariaDB commit DDL by itself: there a new plan goes on from where one was cut off.
    """
    row = await request.service(Publishing).publish(
        request.tenant, table_id, plan_hash=body.plan_hash, by=request.principal.subject
    )
    return views.table(row)
