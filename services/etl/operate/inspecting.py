"""Look at the data tables of all tenants, or of those that an operator names."""

from collections.abc import Sequence

from services.etl.clients import SystemClient
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.inspecting import Inspecting, Inspection, Orphan
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.contracts.resources import Chosen
from shared.errors import PenstockError

from .reports import FailureReport, InspectionReport, OrphanReport, TableReport


async def resources_of(system: SystemClient, chosen: Chosen) -> Sequence[ResourceSummary]:
    """The chosen resources that data tables can lie in; deleted ones too, whose tables are unreachable."""
    found = [each async for each in system.resources() if each.resource_type in DIALECTS]
    return chosen.among(found)


async def inspect(resources: Sequence[ResourceSummary], inspecting: Inspecting) -> InspectionReport:
    """What is found in these resources, one after the other: data tables, and tables that nobody knows."""
    tables: list[TableReport] = []
    orphans: list[OrphanReport] = []
    failures: list[FailureReport] = []
    for resource in resources:
        scope = TenantScope(resource.tenant_id)
        looked = await inspecting.inspect_all(scope, resource.resource_id)
        tables += [table_report(resource, each) for each in looked]
        if resource.deleted:
            continue
        try:
            found = await inspecting.orphans(scope, resource.resource_id)
        except PenstockError as error:
            failures.append(FailureReport(resource.tenant_slug, resource.name, str(error)))
        else:
            orphans += [_orphan(resource, each) for each in found]
    return InspectionReport(tables, orphans, failures)


def table_report(resource: ResourceSummary, seen: Inspection) -> TableReport:
    """One data table as it is reported."""
    return TableReport(
        id=seen.table_id,
        tenant=resource.tenant_slug,
        resource=resource.name,
        table=str(seen.location),
        display_name=seen.display_name,
        state=seen.after,
        differences=seen.differences,
        reason=seen.problem,
    )


def _orphan(resource: ResourceSummary, found: Orphan) -> OrphanReport:
    marked = found.marked
    return OrphanReport(
        resource.tenant_slug,
        resource.name,
        str(marked.location),
        revision=marked.revision,
        exists=marked.exists,
    )
