"""Data tables whose physical table isn't as it was published: made anew, adopted, or given up."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from services.etl.tables.changing.carrying import Carrier, Order
from services.etl.tables.changing.states import ChangeKind
from services.etl.tables.definition import Location, TableDefinition, digest
from services.etl.tables.dialects import Statement, Work
from services.etl.tables.difference import difference
from services.etl.tables.errors import LocationTaken, PlanOutdated, ResourceGone
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Mark, Sight
from services.etl.tables.plans.applying import Agreed, Applied, Applying
from services.etl.tables.plans.planning import Case, Planning, ShownPlan
from services.etl.tables.plans.standing import found
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.repository import DataTables, WritableDataTables, WritableRevisions
from services.etl.tables.states import Event, State, advance
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.session import Database, WriteSession
from shared.errors import Fault
from shared.identifiers import DataTableId

from .adoptable import adoptable, require_table
from .errors import RepairImpossible
from .schemas import RepairAction


@dataclass(frozen=True, slots=True)
class RepairPlan:
    """What a repair would do: to the target for `recreate`, to the configuration else."""

    table_id: DataTableId
    action: RepairAction
    plan_hash: str
    shown: ShownPlan | None = None
    changes: tuple[str, ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What is run in the target, without our own books."""
        return self.shown.plan.statements if self.shown else ()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What can't be done at all."""
        return self.shown.plan.faults if self.shown else ()

    @property
    def possible(self) -> bool:
        """Whether nothing but a confirmation, and the end of a run, is missing."""
        return self.shown.possible if self.shown else True

    @property
    def destructive(self) -> bool:
        """Whether data goes."""
        return self.shown.plan.destructive if self.shown else False

    @property
    def confirm(self) -> str | None:
        """What has to be given because data goes."""
        return self.shown.confirm if self.shown else None


class Repairing:
    """Plans repairs and carries them out. Drafts have nothing to repair."""

    def __init__(
        self,
        database: Database,
        *,
        planning: Planning,
        applying: Applying,
        carrier: Carrier,
        clock: Clock = now,
    ) -> None:
        self._database = database
        self._planning = planning
        self._applying = applying
        self._carrier = carrier
        self._clock = clock

    async def plan(self, scope: TenantScope, table_id: DataTableId, action: RepairAction) -> RepairPlan:
        """What the repair would do now.

        Raises DataTableUnknown, RepairImpossible, or what `Planning.plan` raises.
        """
        row = await self._created(scope, table_id)
        if action == "draft":
            return _giving_up(row)
        if action == "recreate":
            shown = await self._planning.plan(scope, table_id, over_drift=True)
            return RepairPlan(table_id, action, shown.plan.hash, shown=shown)
        case = await self._planning.case(scope, table_id)
        examined = await case.target.examine(case.wanted.place, lambda _: ())
        return _Adoption.of(case, examined.sight).plan

    async def repair(
        self,
        scope: TenantScope,
        table_id: DataTableId,
        action: RepairAction,
        *,
        plan_hash: str,
        by: UUID | None,
        confirm: str | None = None,
        to_the_end: bool = False,
    ) -> Applied:
        """Carry out the repair with this hash. Raises as `plan`, and as `Applying.apply`."""
        row = await self._created(scope, table_id)
        agreed = Agreed(plan_hash, confirm=confirm, over_drift=True, to_the_end=to_the_end)
        if action == "recreate":
            case = await self._planning.case(scope, table_id)
            return await self._applying.carry(scope, case, agreed, kind=ChangeKind.RECREATE, by=by)
        if action == "adopt":
            case = await self._planning.case(scope, table_id)
            seen = (await case.target.examine(case.wanted.place, lambda _: ())).sight
            change = _Adopt(case, _Adoption.of(case, seen).place, by, self._clock)
            order = _adopting(case, change, agreed)
        else:
            order = await self._giving_up(scope, row, agreed)
        carried = await self._carrier.carry(scope, table_id, order, by=by)
        return await self._applying.after(scope, row, carried)

    async def _created(self, scope: TenantScope, table_id: DataTableId) -> DataTable:
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id)
        if row.standing is State.DRAFT:
            raise RepairImpossible(reason="it is a draft, which has no table in the target")
        return row

    async def _giving_up(self, scope: TenantScope, row: DataTable, agreed: Agreed) -> Order:
        change = _ToDraft(agreed.plan_hash)
        try:
            case = await self._planning.case(scope, DataTableId(row.id))
        except ResourceGone:
            return Order(change)

        def decide(sight: Sight) -> Work:
            if sight.mark is None:
                return Work()
            place = replace(case.wanted.location, name=sight.name or case.wanted.location.name)
            return Work(tuple(case.dialect.unmarking(place, sight.mark)))

        return Order(change, case.target, case.wanted.place, decide, to_the_end=agreed.to_the_end)


@dataclass(frozen=True, slots=True)
class _Adoption:
    """What is there, as what is to be configured."""

    wanted: Wanted
    place: Location
    definition: TableDefinition
    plan: RepairPlan

    @classmethod
    def of(cls, case: Case, sight: Sight) -> "_Adoption":
        """Raises RepairImpossible without a table that could be adopted."""
        wanted, physical = case.wanted, sight.physical
        if physical is None:
            raise RepairImpossible(reason="there is no table in the target that could be adopted")
        require_table(physical)
        definition = adoptable(found(wanted, physical, case.dialect))
        place = replace(wanted.location, name=sight.name or wanted.location.name)
        changes = difference(wanted.definition, definition, names=(wanted.location.name, place.name))
        facts = {
            "action": "adopt",
            "table": str(wanted.table_id),
            "revision": wanted.revision,
            "definition": definition.fingerprint(),
            "sight": sight.to_json(),
        }
        shown = tuple(changes.sentences()) or ("nothing but what is known of the last publish",)
        plan = RepairPlan(DataTableId(wanted.table_id), "adopt", digest(facts), changes=shown)
        return cls(wanted, place, definition, plan)

    @property
    def mark(self) -> Mark:
        """What is noted in the target."""
        return Mark(self.wanted.table_id, self.wanted.revision + 1, self.definition.fingerprint())


class _Adopt:
    """The books of an adoption: what is there becomes the configuration, and is what was published."""

    kind = ChangeKind.ADOPT

    def __init__(self, case: Case, place: Location, by: UUID | None, clock: Clock) -> None:
        self.place = place
        self._revision = case.wanted.revision
        self._by = by or UUID(int=0)
        self._clock = clock
        self.adoption: _Adoption | None = None

    async def begin(self, session: WriteSession, row: DataTable) -> None:
        if row.revision != self._revision:
            raise PlanOutdated
        if await DataTables(session).is_taken(row, self.place):
            raise LocationTaken(location=str(self.place))

    async def finish(self, session: WriteSession, row: DataTable, sight: Sight | None) -> None:  # noqa: ARG002 - as Change.finish
        adoption, moment = self.adoption, self._clock()
        assert adoption is not None, "the target was asked before"
        row.physical_name, row.location_key = adoption.place.name, adoption.place.key
        row.definition = adoption.definition.model_dump(mode="json")
        row.revision += 1
        row.published_revision, row.published_name = row.revision, adoption.place.name
        row.last_published_at, row.finding = moment, None
        row.state = advance(row.standing, Event.ADOPTED).value
        await WritableDataTables(session).save(row)
        revisions = WritableRevisions(session)
        await revisions.begin(row, by=self._by, now=moment)
        await revisions.end(row, revision=row.revision, now=moment)


@dataclass(frozen=True, slots=True)
class _ToDraft:
    """The books of giving up: the data table is a draft again."""

    plan_hash: str
    kind: ChangeKind = ChangeKind.DRAFT

    async def begin(self, session: WriteSession, row: DataTable) -> None:  # noqa: ARG002 - as Change.begin
        if row.standing is State.DRAFT or _giving_up(row).plan_hash != self.plan_hash:
            raise PlanOutdated

    async def finish(self, session: WriteSession, row: DataTable, sight: Sight | None) -> None:  # noqa: ARG002 - as Change.finish
        row.published_revision = row.published_name = row.last_published_at = row.finding = None
        row.state = advance(row.standing, Event.FORGOTTEN).value
        await WritableRevisions(session).forget(row)
        await WritableDataTables(session).save(row)


def _giving_up(row: DataTable) -> RepairPlan:
    facts: dict[str, Any] = {
        "action": "draft",
        "table": str(row.id),
        "revision": row.revision,
        "published": row.published_revision,
    }
    changes = (
        "the data table is a draft again, with the configuration that it has now",
        f"a table {row.published_name or row.physical_name!r} in the target stays and isn't ours any more",
    )
    return RepairPlan(DataTableId(row.id), "draft", digest(facts), changes=changes)


def _adopting(case: Case, change: _Adopt, agreed: Agreed) -> Order:
    def decide(sight: Sight) -> Work:
        adoption = _Adoption.of(case, sight)
        if (adoption.plan.plan_hash, adoption.place) != (agreed.plan_hash, change.place):
            raise PlanOutdated
        change.adoption = adoption
        notes = case.dialect.journaled(adoption.place, adoption.mark, adoption.definition, ())
        return Work(tuple(notes))

    return Order(change, case.target, case.wanted.place, decide, to_the_end=agreed.to_the_end)
