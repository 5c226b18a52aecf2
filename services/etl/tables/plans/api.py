from collections.abc import Mapping
from typing import Final

from services.etl.tables import errors, views
from services.etl.tables.changing import errors as changing
from services.etl.tables.schemas import DataTableView
from shared.engines.errors import ConnectFailedForNow, ConnectRefused
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.request import Request
from shared.http.responses import Accepted
from shared.identifiers import DataTableId

from . import views as plan_views
from .applying import Applied, Applying
from .errors import ConfirmationNeeded, PlanImpossible, TableIsDraft
from .planning import Planning
from .schemas import ApplyPlan, PlanOptions, PlanView

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {
    ConnectRefused: 409,
    ConnectFailedForNow: 503,
    errors.TargetBusy: 409,
    errors.TargetLost: 503,
}

TARGET_ERRORS: Final = (
    errors.TableOccupied,
    errors.TableDrifted,
    errors.NameTaken,
    errors.TargetRefused,
    errors.TargetBusy,
    errors.TargetLost,
    errors.SchemaMissing,
    errors.ResourceGone,
    errors.ResourceChangedType,
    ConnectRefused,
    ConnectFailedForNow,
)
"""What a look at a target may come to."""

CHANGE_ERRORS: Final = (
    errors.PlanOutdated,
    errors.ChecksFailed,
    errors.TargetHalfway,
    errors.TargetUnfaithful,
    ConfirmationNeeded,
    PlanImpossible,
    changing.TableIsChanging,
    changing.TableHasRun,
    *TARGET_ERRORS,
)
"""What a change of a target may come to."""


@operation(
    "POST",
    "/data-tables/{table_id}/plan",
    scopes=["table:read"],
    body=PlanOptions,
    returns=PlanView,
    errors=[errors.DataTableUnknown, *TARGET_ERRORS],
)
async def plan_data_table(
    request: Request, table_id: DataTableId, body: PlanOptions | None = None
) -> PlanView:
    """Compare a data table with its target and show the statements of a publish.

    The physical table is read now, and its rows are checked where the change depends on them. A table that
    is gone, or isn't as it was published, becomes a ghost.
    """
    options = body or PlanOptions()
    shown = await request.service(Planning).plan(request.tenant, table_id, concurrently=options.concurrently)
    return plan_views.plan(shown, samples=may_see_values(request))


@operation(
    "POST",
    "/data-tables/{table_id}/publish",
    scopes=["table:publish"],
    body=ApplyPlan,
    returns=DataTableView,
    errors=[errors.DataTableUnknown, *CHANGE_ERRORS],
)
async def publish_data_table(
    request: Request, table_id: DataTableId, body: ApplyPlan
) -> DataTableView | Accepted[DataTableView]:
    """Carry out a plan that was shown: all of it in one transaction of the target, or nothing.

    MySQL and MariaDB commit DDL by itself: there a new plan goes on from where one was cut off. A change that
    takes long goes on by itself: the answer is 202 then, and `changing` is the change in the table's history.
    """
    return answered(await _applied(request, table_id, body, created=False))


@operation(
    "POST",
    "/data-tables/{table_id}/apply",
    scopes=["table:publish"],
    body=ApplyPlan,
    returns=DataTableView,
    errors=[errors.DataTableUnknown, TableIsDraft, *CHANGE_ERRORS],
)
async def apply_data_table(
    request: Request, table_id: DataTableId, body: ApplyPlan
) -> DataTableView | Accepted[DataTableView]:
    """Carry out a plan as a publish does, for a data table that was published before."""
    return answered(await _applied(request, table_id, body, created=True))


async def _applied(request: Request, table_id: DataTableId, body: ApplyPlan, *, created: bool) -> Applied:
    return await request.service(Applying).apply(
        request.tenant,
        table_id,
        plan_hash=body.plan_hash,
        by=request.principal.subject,
        confirm=body.confirm,
        concurrently=body.concurrently,
        created=created,
    )


def answered(applied: Applied) -> DataTableView | Accepted[DataTableView]:
    """The data table, with 202 and the way to the change while that goes on."""
    shown = views.table(applied.row)
    if applied.over:
        return shown
    return Accepted(shown, location=f"/data-tables/{applied.row.id}/history/{applied.change_id}")


def may_see_values(request: Request) -> bool:
    """Whether the caller may see values out of the rows of a table."""
    return "table:publish" in request.principal.scopes
