"""Look at the data tables of all tenants, or of those that an operator names."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from services.etl.clients import SystemClient
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.ghosts.inspecting import Inspecting, Inspection, Orphan
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.contracts.resources import Chosen
from shared.errors import PenstockError

from .reports import FailureReport, InspectionReport, OrphanReport, TableReport

T = TypeVar("T")

_AT_ONCE: Final = 4


async def resources_of(system: SystemClient, chosen: Chosen) -> Sequence[ResourceSummary]:
    """The chosen resources that data tables can lie in; deleted ones too, whose tables are unreachable."""
    found = [each async for each in system.resources() if each.resource_type in DIALECTS]
    return chosen.among(found)


async def inspections(
    resources: Sequence[ResourceSummary], inspecting: Inspecting
) -> Sequence[tuple[ResourceSummary, Inspection]]:
    """The data tables of these resources, looked at now; a few resources at a time, in their order."""
    looked = await _each(
        resources, lambda one: inspecting.inspect_all(TenantScope(one.tenant_id), one.resource_id)
    )
    return [(one, table) for one, tables in zip(resources, looked, strict=True) for table in tables]


async def inspect(resources: Sequence[ResourceSummary], inspecting: Inspecting) -> InspectionReport:
    """What is found in these resources: data tables, and tables with our mark that nobody knows."""

    async def search(resource: ResourceSummary) -> list[OrphanReport] | FailureReport:
        try:
            found = await inspecting.orphans(TenantScope(resource.tenant_id), resource.resource_id)
        except PenstockError as error:
            return FailureReport(resource.tenant_slug, resource.name, str(error))
        return [_orphan(resource, each) for each in found]

    tables = [_table(resource, seen) for resource, seen in await inspections(resources, inspecting)]
    searched = await _each([one for one in resources if not one.deleted], search)
    return InspectionReport(
        tables,
        orphans=[orphan for found in searched if isinstance(found, list) for orphan in found],
        failures=[found for found in searched if isinstance(found, FailureReport)],
    )


async def _each(
    resources: Sequence[ResourceSummary], look: Callable[[ResourceSummary], Awaitable[T]]
) -> Sequence[T]:
    """A server that doesn't answer must not keep the others waiting for long."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(resource: ResourceSummary) -> T:
        async with slots:
            return await look(resource)

    return await asyncio.gather(*(one(resource) for resource in resources))


def _table(resource: ResourceSummary, seen: Inspection) -> TableReport:
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
