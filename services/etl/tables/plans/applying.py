"""Plans are carried out here, and physical tables dropped."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from services.etl.tables.changing.carrying import Carried, Carrier, Order
from services.etl.tables.changing.states import ChangeKind
from services.etl.tables.dialects import Work
from services.etl.tables.errors import NotOurTable, PlanOutdated
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Sight
from services.etl.tables.ports import TableUsers
from services.etl.tables.repository import DataTables, WritableDataTables, WritableRevisions
from services.etl.tables.states import State
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.repository import expect_version
from shared.db.session import Database, WriteSession
from shared.errors import Conflict
from shared.identifiers import DataTableId

from .errors import ConfirmationNeeded, PlanImpossible, TableIsDraft
from .looking import end_publish
from .plan import make_plan
from .planning import Case, Planning, confirmation, noted
from .wanted import Wanted


@dataclass(frozen=True, slots=True)
class Applied:
    """A data table after a change of it was begun; `change_id` is under way unless it is `over`."""

    row: DataTable
    change_id: UUID
    over: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """What somebody has seen and agreed to: a plan's hash, and the name of the table if data goes.

    `to_the_end`: whoever asks waits until it is over, however long that takes.
    """

    plan_hash: str
    confirm: str | None = None
    concurrently: bool = False
    over_drift: bool = False
    to_the_end: bool = False


class Applying:
    """Publishes data tables, and drops their physical tables."""

    def __init__(
        self,
        database: Database,
        *,
        planning: Planning,
        carrier: Carrier,
        users: TableUsers,
        clock: Clock = now,
    ) -> None:
        self._database = database
        self._planning = planning
        self._carrier = carrier
        self._users = users
        self._clock = clock

    async def apply(
        self,
        scope: TenantScope,
        table_id: DataTableId,
        *,
        plan_hash: str,
        by: UUID | None,
        confirm: str | None = None,
        concurrently: bool = False,
        created: bool = False,
    ) -> Applied:
        """Carry out the plan with this hash: all or nothing where the target can.

        Raises PlanOutdated when the definition or the target has changed since the plan was made,
        ConfirmationNeeded, PlanImpossible, ChecksFailed, TableIsChanging, TableHasRun, TableIsDraft for a
        draft that was to be `created`, and what `Planning.case` and `Target.carry_out` raise.
        """
        case = await self._planning.case(scope, table_id)
        if created and case.row.standing is State.DRAFT:
            raise TableIsDraft
        kind = ChangeKind.PUBLISH if case.wanted.published is None else ChangeKind.APPLY
        agreed = Agreed(plan_hash, confirm=confirm, concurrently=concurrently)
        return await self.carry(scope, case, agreed, kind=kind, by=by)

    async def carry(
        self, scope: TenantScope, case: Case, agreed: Agreed, *, kind: ChangeKind, by: UUID | None
    ) -> Applied:
        """As `apply`, for a data table that was read before."""
        change = _Publish(kind, case.wanted, by or UUID(int=0), self._clock)
        decide = _decider(case, agreed)
        order = Order(change, case.target, case.wanted.place, decide, to_the_end=agreed.to_the_end)
        return await self.after(
            scope, case.row, await self._carrier.carry(scope, DataTableId(case.row.id), order, by=by)
        )

    async def after(self, scope: TenantScope, row: DataTable, carried: Carried) -> Applied:
        """The data table as a change has left it, or as it is meanwhile."""
        async with self._database.read() as session:
            current = await DataTables(session).get(scope, row.id)
        return Applied(current, carried.change_id, carried.over)

    async def drop(
        self, scope: TenantScope, table_id: DataTableId, *, version: int, confirm: str | None, by: UUID
    ) -> Carried:
        """Drop the physical table, then forget the data table.

        Raises ConfirmationNeeded unless `confirm` is the physical name, NotOurTable, VersionOutdated,
        DataTableInUse, TableIsChanging, TableHasRun, or what `Target.carry_out` raises.
        """
        case = await self._planning.case(scope, table_id)
        expect_version(case.row, version)
        name = case.row.published_name or case.row.physical_name
        if confirm != name:
            raise ConfirmationNeeded(name=name, loc=("query", "confirm"))

        def decide(sight: Sight) -> Work:
            if sight.physical is None:
                # A mark without its table would be an orphan.
                place, mark = case.wanted.location, sight.mark
                return Work(tuple(case.dialect.unmarking(place, mark)) if mark else ())
            if sight.mark is None or sight.physical.kind != "table":
                raise NotOurTable(location=str(case.row.location))
            place = replace(case.wanted.location, name=sight.name or case.wanted.location.name)
            return Work((case.dialect.drop(place), *case.dialect.unmarking(place, sight.mark)))

        change = _Removal(ChangeKind.DROP, self._users, version)
        order = Order(change, case.target, case.wanted.place, decide)
        return await self._carrier.carry(scope, table_id, order, by=by)

    async def forget(self, scope: TenantScope, table_id: DataTableId, *, version: int, by: UUID) -> Carried:
        """Delete the configuration; a physical table stays as it is. Raises as `drop`."""
        order = Order(_Removal(ChangeKind.FORGET, self._users, version))
        return await self._carrier.carry(scope, table_id, order, by=by)


@dataclass(frozen=True, slots=True)
class _Publish:
    """The books of a publish: which revision has begun, then which one the physical table is at."""

    kind: ChangeKind
    wanted: Wanted
    by: UUID
    clock: Clock

    async def begin(self, session: WriteSession, row: DataTable) -> None:
        published = self.wanted.published
        if (row.revision, row.published_revision) != (
            self.wanted.revision,
            published.number if published else None,
        ):
            raise PlanOutdated
        await WritableRevisions(session).begin(row, by=self.by, now=self.clock())

    async def finish(self, session: WriteSession, row: DataTable, sight: Sight | None) -> None:  # noqa: ARG002 - as Change.finish
        revision, name = self.wanted.revision, self.wanted.location.name
        await end_publish(session, row, revision, name, moment=self.clock())
        await WritableDataTables(session).save(row)


@dataclass(frozen=True, slots=True)
class _Removal:
    """The books of the end of a data table."""

    kind: ChangeKind
    users: TableUsers
    version: int

    async def begin(self, session: WriteSession, row: DataTable) -> None:
        expect_version(row, self.version)
        await self.users.require_none(session, TenantScope(row.tenant_id), DataTableId(row.id))

    async def finish(self, session: WriteSession, row: DataTable, sight: Sight | None) -> None:  # noqa: ARG002 - as Change.finish
        # A task that was saved meanwhile keeps the configuration: its next run says that the table is gone.
        await self.users.require_none(session, TenantScope(row.tenant_id), DataTableId(row.id))
        await WritableDataTables(session).remove(row)


def _decider(case: Case, agreed: Agreed) -> Callable[[Sight], Work]:
    wanted, dialect = case.wanted, case.dialect

    def decide(sight: Sight) -> Work:
        try:
            made = make_plan(
                wanted,
                sight,
                dialect,
                concurrently=agreed.concurrently,
                over_drift=agreed.over_drift,
            )
        except Conflict as conflict:
            raise PlanOutdated from conflict
        if made.hash != agreed.plan_hash:
            raise PlanOutdated
        if made.faults:
            raise PlanImpossible(faults=made.faults)
        name = confirmation(wanted, sight)
        if made.destructive and agreed.confirm != name:
            raise ConfirmationNeeded(name=name, loc=("body", "confirm"))
        return replace(noted(wanted, dialect, made.statements), checks=made.checks, verify=made.verify)

    return decide
