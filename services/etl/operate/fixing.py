"""Repair the ghosts among data tables: a plan for each, and with --yes what it says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.etl.tables.ghosts.inspecting import Inspecting, Inspection
from services.etl.tables.ghosts.repairing import Repairing, RepairPlan
from services.etl.tables.ghosts.schemas import RepairAction
from services.etl.tables.states import State
from shared.contracts.connection import ResourceSummary
from shared.contracts.identity import TenantScope
from shared.errors import NotFound, PenstockError

from .inspecting import inspections
from .reports import Outcome, RepairReport, StatementReport


class NoSuchDataTable(NotFound):
    """No data table that was published is called {table}."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done: `tables` are names or ids, none means all; nothing is done without `really`."""

    action: RepairAction = "recreate"
    tables: tuple[str, ...] = ()
    really: bool = False
    confirmed: frozenset[str] = frozenset()

    def means(self, table: Inspection) -> bool:
        """Whether this data table is meant."""
        return not self.tables or not _names(table).isdisjoint(self.tables)


class Fixing:
    """Plans the repair of each ghost, and carries the plans out when that is wished."""

    def __init__(self, inspecting: Inspecting, repairing: Repairing) -> None:
        self._inspecting = inspecting
        self._repairing = repairing

    async def fix(self, resources: Sequence[ResourceSummary], wish: Wish) -> Sequence[RepairReport]:
        """What was planned or done. Raises NoSuchDataTable for a name that nothing in the resources has."""
        seen = await inspections(resources, self._inspecting)
        known = {name for _, table in seen for name in _names(table)}
        for name in wish.tables:
            if name not in known:
                raise NoSuchDataTable(table=name)
        meant = [(resource, table) for resource, table in seen if wish.means(table)]
        return [
            await self._one(resource, table, wish)
            for resource, table in meant
            if table.after is State.GHOST or table.problem is not None
        ]

    async def _one(self, resource: ResourceSummary, table: Inspection, wish: Wish) -> RepairReport:
        scope = TenantScope(resource.tenant_id)
        report = _Reporter(resource, table, wish.action)
        try:
            plan = await self._repairing.plan(scope, table.table_id, wish.action)
        except PenstockError as error:
            return report.of("failed", reason=str(error))
        if not plan.possible:
            return report.of("impossible", plan, reason="; ".join(_against(plan)))
        if not wish.really:
            return report.of("planned", plan)
        if plan.destructive and plan.confirm not in wish.confirmed:
            return report.of("unconfirmed", plan)
        try:
            await self._repairing.repair(
                scope,
                table.table_id,
                wish.action,
                plan_hash=plan.plan_hash,
                by=None,
                confirm=plan.confirm,
                to_the_end=True,
            )
        except PenstockError as error:
            return report.of("failed", plan, reason=str(error))
        return report.of("repaired", plan)


@dataclass(frozen=True, slots=True)
class _Reporter:
    resource: ResourceSummary
    table: Inspection
    action: RepairAction

    def of(
        self, outcome: Outcome, plan: RepairPlan | None = None, *, reason: str | None = None
    ) -> RepairReport:
        statements = plan.statements if plan else ()
        return RepairReport(
            id=self.table.table_id,
            tenant=self.resource.tenant_slug,
            resource=self.resource.name,
            table=str(self.table.location),
            action=self.action,
            outcome=outcome,
            confirm=(plan.confirm if plan else None) or self.table.location.name,
            destructive=plan.destructive if plan else False,
            statements=tuple(
                StatementReport(one.sql, one.risk, one.reason) for one in statements if not one.own
            ),
            differences=plan.changes if plan else (),
            reason=reason,
        )


def _names(table: Inspection) -> frozenset[str]:
    return frozenset({table.display_name, table.location.name, str(table.location), str(table.table_id)})


def _against(plan: RepairPlan) -> Iterator[str]:
    """What stands against a plan, in sentences."""
    faults = [*plan.faults]
    if plan.shown:
        faults += [finding.fault for finding in plan.shown.findings if finding.rows]
    for fault in faults:
        yield f"{'.'.join(map(str, fault.loc))}: {fault.message}"
