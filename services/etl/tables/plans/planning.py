"""Plans as people decide about them: what would be done, what it costs, what stands against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from services.etl.destinations import _ledger
from services.etl.tables.dialects import DIALECTS, Check, Dialect, Finding, Sql, Statement, Work, noting
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Sight, Size
from services.etl.tables.ports import AffectedTask, TableUsers
from services.etl.tables.repository import DataTables
from services.etl.tables.targets.base import Target
from services.etl.tables.targets.connecting import TableTargets
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.errors import PenstockError
from shared.identifiers import DataTableId, RunId

from .looking import judged, note, wanted_of
from .plan import Plan, make_plan
from .wanted import Wanted


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """A plan with what a person needs to decide about it. `confirm`: what has to be given to destroy data."""

    table_id: DataTableId
    revision: int
    plan: Plan
    size: Size | None
    findings: Sequence[Finding]
    confirm: str | None
    bookkeeping: Sequence[Sql]
    tasks: Sequence[AffectedTask]
    run_id: RunId | None
    change_id: UUID | None

    @property
    def possible(self) -> bool:
        """Whether nothing but a confirmation, and the end of a run, is missing."""
        return not self.plan.faults and not any(finding.rows for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Case:
    """A data table with its configuration, its dialect and its target, read at one moment."""

    row: DataTable
    wanted: Wanted
    dialect: Dialect
    target: Target


class Planning:
    """Makes plans. What is seen of the target on the way decides whether a table is a ghost."""

    def __init__(
        self, database: Database, *, targets: TableTargets, users: TableUsers, clock: Clock = now
    ) -> None:
        self._database = database
        self._targets = targets
        self._users = users
        self._clock = clock

    async def plan(
        self,
        scope: TenantScope,
        table_id: DataTableId,
        *,
        concurrently: bool = False,
        over_drift: bool = False,
    ) -> ShownPlan:
        """Compare the physical table, as it is now, with the definition.

        Raises DataTableUnknown, TableOccupied, TableDrifted unless the plan is to go over it, NameTaken,
        ResourceGone, or what `Target.examine` raises.
        """
        case = await self.case(scope, table_id)
        made = partial(
            make_plan, case.wanted, dialect=case.dialect, concurrently=concurrently, over_drift=over_drift
        )

        def ask(sight: Sight) -> Sequence[Check]:
            try:
                return made(sight).checks
            except PenstockError:
                # What was seen is written down first.
                return ()

        examined = await case.target.examine(case.wanted.place, ask)
        verdict = judged(case.wanted, examined.sight, case.dialect)
        await note(self._database, case.row, verdict, self._clock())
        return await self._shown(scope, case, made(examined.sight), (examined.sight, examined.findings))

    async def case(self, scope: TenantScope, table_id: DataTableId) -> Case:
        """The data table and its target. Raises DataTableUnknown, or what opening the target raises."""
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id)
            wanted = await wanted_of(session, row)
        return Case(row, wanted, DIALECTS[row.resource_type], await self._targets.of(scope, row))

    async def _shown(
        self, scope: TenantScope, case: Case, plan: Plan, seen: tuple[Sight, Sequence[Finding]]
    ) -> ShownPlan:
        sight, findings = seen
        wanted, table_id = case.wanted, DataTableId(case.row.id)
        async with self._database.read() as session:
            tasks = await self._users.tasks_of(session, scope, table_id, wanted=wanted.definition)
            run_id = await self._users.writing_run(session, scope, table_id)
        return ShownPlan(
            table_id,
            wanted.revision,
            plan,
            sight.size,
            findings,
            confirm=confirmation(wanted, sight) if plan.destructive else None,
            bookkeeping=[one.sql for one in noted(wanted, case.dialect, ()).statements if one.own],
            tasks=tasks,
            run_id=run_id,
            change_id=case.row.changing_id,
        )


def confirmation(wanted: Wanted, sight: Sight) -> str:
    """What has to be given before data goes: the name that the table has now."""
    return sight.name or wanted.location.name


def noted(wanted: Wanted, dialect: Dialect, statements: Sequence[Statement]) -> Work:
    """Statements with our own books around them: the ledger of runs, and the note of who made the table."""
    schema = wanted.location.schema
    ledger = [
        noting(Sql(sql))
        for sql in _ledger.statements(dialect.name, dialect.quote(schema) if schema else None)
    ]
    journaled = dialect.journaled(wanted.location, wanted.mark, wanted.definition, statements)
    return Work((*ledger, *journaled))
