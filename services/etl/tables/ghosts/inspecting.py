"""Looking at targets: tables that aren't as they were published, and tables of ours that nobody knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.etl.tables.changing.repository import by_ids, created, registered
from services.etl.tables.definition import Location
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.errors import TargetBusy
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Marked
from services.etl.tables.plans.looking import GhostKind, Verdict, judged, note, wanted_of
from services.etl.tables.repository import DataTables
from services.etl.tables.schemas import DataTableQuery
from services.etl.tables.states import State
from services.etl.tables.targets.connecting import TableTargets
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.engines.errors import ConnectFailed
from shared.errors import PenstockError, Transient
from shared.identifiers import DataTableId, ResourceId, TenantId

_UNDER_WAY: Final = "a change of it is under way"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at one data table has shown. `problem` is why nothing could be seen."""

    table_id: DataTableId
    display_name: str
    resource_id: ResourceId
    location: Location
    before: State
    after: State
    finding: GhostKind | None
    differences: tuple[str, ...]
    problem: str | None
    at: datetime

    @property
    def well(self) -> bool:
        """Whether the table was seen and is as it was published."""
        return self.finding is None and self.problem is None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A table with a mark of ours that belongs to no data table of anybody."""

    resource_id: ResourceId
    marked: Marked


class Inspecting:
    """Looks at targets without changing them, and writes down what is found."""

    def __init__(self, database: Database, *, targets: TableTargets, clock: Clock = now) -> None:
        self._database = database
        self._targets = targets
        self._clock = clock

    async def inspect(self, scope: TenantScope, table_id: DataTableId) -> Inspection:
        """Look at one data table. Raises DataTableUnknown; what keeps a look away is its `problem`."""
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id)
        return await self._looked(row)

    async def inspect_all(
        self, scope: TenantScope, resource_id: ResourceId | None = None
    ) -> list[Inspection]:
        """Look at all data tables that were published, or at those of one resource."""
        async with self._database.read() as session:
            rows = await created(session, tenant_id=scope.tenant_id, resource_id=resource_id)
        return await self._all(rows)

    async def inspect_everybody(self) -> list[Inspection]:
        """Look at the published data tables of all tenants."""
        async with self._database.read() as session:
            rows = await created(session)
        return await self._all(rows)

    async def look_again(self, table_ids: Sequence[UUID]) -> list[Inspection]:
        """Look at tables, of any tenant, whose change ended nobody knows how."""
        if not table_ids:
            return []
        async with self._database.read() as session:
            rows = await by_ids(session, table_ids)
        return await self._all(rows)

    async def ghosts(
        self, scope: TenantScope, resource_id: ResourceId | None = None, *, limit: int, cursor: str | None
    ) -> Page[DataTable]:
        """The data tables that are ghosts by their last look, in the order in which they were made."""
        query = DataTableQuery(state=State.GHOST.value, resource_id=resource_id, limit=limit, cursor=cursor)
        async with self._database.read() as session:
            return await DataTables(session).listed(scope, query)

    async def orphans(self, scope: TenantScope, resource_id: ResourceId) -> list[Orphan]:
        """The tables in a resource with a mark of ours that no data table of any tenant has.

        Raises ResourceNotFound, ResourceUnsuitable, or what `Target.marked` raises.
        """
        target, _ = await self._targets.in_resource(scope, resource_id)
        marked = await target.marked()
        async with self._database.read() as session:
            known = await registered(session, {one.table_id for one in marked})
        return [Orphan(resource_id, one) for one in marked if one.table_id not in known]

    async def _all(self, rows: Sequence[DataTable]) -> list[Inspection]:
        """One after the other; a resource that can't be reached is asked once."""
        away: dict[tuple[UUID, UUID], str] = {}
        found = []
        for row in rows:
            resource = (row.tenant_id, row.resource_id)
            inspection = (
                self._unseen(row, away[resource]) if resource in away else await self._looked(row, away)
            )
            found.append(inspection)
        return found

    async def _looked(self, row: DataTable, away: dict[tuple[UUID, UUID], str] | None = None) -> Inspection:
        scope = TenantScope(TenantId(row.tenant_id))
        try:
            target = await self._targets.of(scope, row)
            async with self._database.read() as session:
                wanted = await wanted_of(session, row)
            examined = await target.examine(wanted.place, lambda _: ())
        except PenstockError as error:
            # A table that is locked says nothing of the others in its resource.
            if isinstance(error, TargetBusy):
                return self._unseen(row, _UNDER_WAY if row.changing_id else str(error))
            if away is not None and isinstance(error, ConnectFailed | Transient):
                away[row.tenant_id, row.resource_id] = str(error)
            return self._unseen(row, str(error))
        verdict = judged(wanted, examined.sight, DIALECTS[row.resource_type])
        await note(self._database, row, verdict, self._clock())
        return await self._seen(scope, row, verdict)

    async def _seen(self, scope: TenantScope, row: DataTable, verdict: Verdict) -> Inspection:
        async with self._database.read() as session:
            current = await DataTables(session).find(scope, row.id)
        after = current.standing if current else row.standing
        return _inspection(row, self._clock(), after=after, verdict=verdict)

    def _unseen(self, row: DataTable, problem: str) -> Inspection:
        return _inspection(row, self._clock(), after=row.standing, problem=problem)


def _inspection(
    row: DataTable,
    at: datetime,
    *,
    after: State,
    verdict: Verdict | None = None,
    problem: str | None = None,
) -> Inspection:
    return Inspection(
        table_id=DataTableId(row.id),
        display_name=row.display_name,
        resource_id=row.resource_id,
        location=row.location,
        before=row.standing,
        after=after,
        finding=verdict.finding if verdict else None,
        differences=verdict.differences if verdict else (),
        problem=problem,
        at=at,
    )
