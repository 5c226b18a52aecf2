"""Plans are made and carried out here: the only place that touches the physical tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.etl.clients import ResourceUnknown, SystemClient
from services.etl.destinations import _ledger
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.errors import VersionOutdated
from shared.identifiers import DataTableId

from . import plan as planning
from .definition import TableDefinition
from .dialects import DIALECTS, Dialect, Sql
from .errors import (
    ConfirmationWrong,
    NotOurTable,
    PlanOutdated,
    PublishedTableFixed,
    ResourceChangedType,
    ResourceGone,
    TableDrifted,
    TableOccupied,
)
from .models import DataTable
from .physical import Physical, Sight
from .plan import Plan
from .plan_schemas import AffectedTask
from .ports import TableUsers
from .repository import DataTables, Revisions, WritableDataTables, WritableRevisions
from .states import Event, advance
from .targets import Target, Targets
from .wanted import Revision, Wanted

_RETRIES = 4


@dataclass(frozen=True, slots=True)
class ShownPlan:
    """A plan with what a person needs to decide about it."""

    table_id: DataTableId
    revision: int
    plan: Plan
    bookkeeping: Sequence[str]
    tasks: Sequence[AffectedTask]


class Publishing:
    """Plans and publishes data tables, and drops their physical tables."""

    def __init__(
        self,
        database: Database,
        *,
        system: SystemClient,
        targets: Targets,
        users: TableUsers,
        clock: Clock = now,
    ) -> None:
        self._database = database
        self._system = system
        self._targets = targets
        self._users = users
        self._clock = clock

    async def plan(self, scope: TenantScope, table_id: DataTableId) -> ShownPlan:
        """Compare the physical table, as it is now, with the definition.

        Raises DataTableUnknown, TableOccupied, TableDrifted, PublishedTableFixed, ResourceGone, or what
        `Target.look` raises. What is seen decides whether the table is a ghost.
        """
        row, wanted = await self._wanted(scope, table_id)
        dialect, target = DIALECTS[row.resource_type], await self._target(scope, row)
        sight = await target.look(wanted.location, row.id)
        await self._note(scope, row, _seen(wanted, sight, dialect))
        made = planning.make(wanted, sight, dialect)
        async with self._database.read() as session:
            tasks = await self._users.tasks_of(session, scope, table_id)
        return ShownPlan(table_id, wanted.revision, made, _bookkeeping(wanted, dialect), tasks)

    async def publish(
        self, scope: TenantScope, table_id: DataTableId, *, plan_hash: str, by: UUID
    ) -> DataTable:
        """Carry out the plan with this hash, in one transaction of the target.

        Raises PlanOutdated when the definition or the target has changed since the plan was made, and
        what `plan` raises.
        """
        row, wanted = await self._wanted(scope, table_id)
        dialect, target = DIALECTS[row.resource_type], await self._target(scope, row)

        def decide(sight: Sight) -> Sequence[Sql]:
            try:
                made = planning.make(wanted, sight, dialect)
            except (TableDrifted, TableOccupied, PublishedTableFixed) as conflict:
                raise PlanOutdated from conflict
            if made.hash != plan_hash:
                raise PlanOutdated
            statements = [statement.sql for statement in made.statements]
            place, definition = wanted.location, wanted.definition
            return [
                *_ledger_tables(wanted, dialect),
                *dialect.noted(place, wanted.mark, definition, statements),
            ]

        async with self._database.write() as session:
            current = await WritableDataTables(session).get(scope, table_id)
            if current.revision != wanted.revision:
                raise PlanOutdated
            await WritableRevisions(session).begin(current, by=by, now=self._clock())
        after = await target.apply(wanted.location, row.id, decide)
        assert after.physical is not None, "the table was made in that transaction"
        return await self._published(scope, table_id, wanted.revision, after.physical)

    async def drop(
        self, scope: TenantScope, table_id: DataTableId, *, version: int, confirm: str | None
    ) -> None:
        """Drop the physical table, then forget the data table.

        Raises ConfirmationWrong unless `confirm` is the physical name, NotOurTable, VersionOutdated,
        DataTableInUse, or what `Target.apply` raises.
        """
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id, version=version)
            await self._users.require_none(session, scope, table_id)
        if confirm != row.physical_name:
            raise ConfirmationWrong(name=row.physical_name, loc=("query", "confirm"))
        dialect, target = DIALECTS[row.resource_type], await self._target(scope, row)

        def decide(sight: Sight) -> Sequence[Sql]:
            if sight.physical is None:
                return []
            if sight.mark is None or sight.physical.kind != "table":
                raise NotOurTable(location=str(row.location))
            return [dialect.drop(row.location).sql, *dialect.unmarking(row.location, sight.mark)]

        await target.apply(row.location, row.id, decide)
        async with self._database.write() as session:
            tables = WritableDataTables(session)
            await self._users.require_none(session, scope, table_id)
            await tables.remove(await tables.get(scope, table_id))

    async def _wanted(self, scope: TenantScope, table_id: DataTableId) -> tuple[DataTable, Wanted]:
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id)
            revisions = Revisions(session)
            return row, _wanted(row, await revisions.current(row), await revisions.begun(row))

    async def _target(self, scope: TenantScope, row: DataTable) -> Target:
        try:
            resource = await self._system.connection(
                scope, row.resource_id, purpose="publish", subject=row.id
            )
        except ResourceUnknown:
            raise ResourceGone from None
        if resource.connection.type != row.resource_type:
            raise ResourceChangedType(found=resource.connection.type, expected=row.resource_type)
        return self._targets.open(resource)

    async def _note(self, scope: TenantScope, row: DataTable, event: Event | None) -> None:
        """Keep what a look at the target has shown, if it changes anything."""
        if event is None or advance(row.standing, event) is row.standing:
            return
        async with self._database.write() as session:
            tables = WritableDataTables(session)
            current = await tables.get(scope, row.id)
            if current.version == row.version:
                current.state = advance(current.standing, event).value
                await tables.save(current)

    async def _published(
        self, scope: TenantScope, table_id: DataTableId, revision: int, physical: Physical
    ) -> DataTable:
        """Write down what is true by now: the target has committed. An edit meanwhile doesn't stop it."""
        for _ in range(_RETRIES):
            try:
                return await self._record(scope, table_id, revision, physical)
            except VersionOutdated:
                continue
        return await self._record(scope, table_id, revision, physical)

    async def _record(
        self, scope: TenantScope, table_id: DataTableId, revision: int, physical: Physical
    ) -> DataTable:
        moment = self._clock()
        async with self._database.write() as session:
            tables = WritableDataTables(session)
            row = await tables.get(scope, table_id)
            row.state = advance(row.standing, Event.PUBLISHED).value
            if row.revision != revision:
                row.state = advance(row.standing, Event.EDITED_APART).value
            row.published_revision = revision
            row.published_physical = physical.to_json()
            row.published_name = row.physical_name
            row.last_published_at = moment
            await WritableRevisions(session).end(row, revision=revision, now=moment)
            return await tables.save(row)


def _wanted(
    row: DataTable, published: TableDefinition | None, begun: Mapping[int, TableDefinition]
) -> Wanted:
    base = None
    if published is not None and row.published_revision is not None:
        snapshot = Physical.from_json(row.published_physical) if row.published_physical else None
        base = Revision(row.published_revision, published, snapshot)
    return Wanted(row.id, row.location, row.revision, row.wanted, base, begun)


def _seen(wanted: Wanted, sight: Sight, dialect: Dialect) -> Event | None:
    """What the state machine learns from a look; nothing while the table is a draft."""
    if wanted.published is None:
        return None
    try:
        base = planning.standing(wanted, sight, dialect)
    except (TableDrifted, TableOccupied):
        return Event.SEEN_DIFFERENT
    if base is None:
        return Event.SEEN_DIFFERENT
    same = base.number == wanted.published.number and base.definition == wanted.definition
    return Event.SEEN_AS_PUBLISHED if same else Event.SEEN_BEHIND


def _bookkeeping(wanted: Wanted, dialect: Dialect) -> list[Sql]:
    return [
        *_ledger_tables(wanted, dialect),
        *dialect.noted(wanted.location, wanted.mark, wanted.definition, ()),
    ]


def _ledger_tables(wanted: Wanted, dialect: Dialect) -> list[Sql]:
    schema = wanted.location.schema
    tables = _ledger.statements(dialect.name, dialect.quote(schema) if schema else None)
    return [Sql(statement) for statement in tables]
