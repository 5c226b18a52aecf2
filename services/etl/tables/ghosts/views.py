"""Looks, ghosts, orphans and repairs as answers."""

from typing import Any

from services.etl.tables.definition import Location
from services.etl.tables.models import DataTable
from services.etl.tables.plans import views as plan_views

from .inspecting import Inspection, Orphan
from .orphans import OrphanPlace
from .repairing import RepairPlan
from .schemas import GhostView, InspectionView, OrphanInput, OrphanView, RepairPlanView


def inspection(found: Inspection) -> InspectionView:
    return InspectionView(
        table_id=found.table_id,
        display_name=found.display_name,
        resource_id=found.resource_id,
        schema_name=found.location.schema,
        physical_name=found.location.name,
        state=found.after.lifecycle,
        sync_state=found.after.sync_state,
        finding=found.finding,
        differences=list(found.differences),
        problem=found.problem,
        at=found.at,
    )


def ghost(row: DataTable) -> GhostView:
    finding: dict[str, Any] = row.finding or {}
    return GhostView.model_validate(
        {
            "table_id": row.id,
            "display_name": row.display_name,
            "resource_id": row.resource_id,
            "schema_name": row.schema_name,
            "physical_name": row.physical_name,
            "finding": finding.get("kind"),
            "differences": finding.get("differences", []),
            "inspected_at": row.inspected_at,
        }
    )


def orphan(found: Orphan) -> OrphanView:
    marked = found.marked
    return OrphanView(
        resource_id=found.resource_id,
        table_id=marked.table_id,
        schema_name=marked.location.schema,
        physical_name=marked.location.name,
        revision=marked.revision,
        exists=marked.exists,
    )


def place_of(given: OrphanInput) -> OrphanPlace:
    return OrphanPlace(given.resource_id, given.table_id, Location(given.schema_name, given.physical_name))


def repair_plan(plan: RepairPlan, *, samples: bool) -> RepairPlanView:
    return RepairPlanView(
        table_id=plan.table_id,
        action=plan.action,
        plan=plan_views.plan(plan.shown, samples=samples) if plan.shown else None,
        changes=list(plan.changes),
        confirm=plan.confirm,
        plan_hash=plan.plan_hash,
    )
