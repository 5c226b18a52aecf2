"""Tables with a mark of ours that belong to no data table: taken into the registry, or let go."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.etl.tables.changing.repository import registered
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import Dialect, Work
from services.etl.tables.models import DataTable
from services.etl.tables.physical import Place, Sight
from services.etl.tables.reading import read
from services.etl.tables.repository import WritableDataTables, WritableRevisions
from services.etl.tables.states import State
from services.etl.tables.targets.base import Target
from services.etl.tables.targets.connecting import TableTargets
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.identifiers import ResourceId

from .adoptable import adoptable, require_table
from .errors import OrphanUnknown


@dataclass(frozen=True, slots=True)
class OrphanPlace:
    """Which orphan: the id in its mark, and where it lies."""

    resource_id: ResourceId
    table_id: UUID
    location: Location

    @property
    def place(self) -> Place:
        """Where to look for it."""
        return Place(self.table_id, self.location, (self.location.name,))

    def is_seen(self, sight: Sight) -> bool:
        """Whether there is a mark, and not for a table of another name."""
        name = self.location.name if sight.name is None else sight.name
        return sight.mark is not None and replace(self.location, name=name).key == self.location.key


class Orphans:
    """What can be done about orphans. Finding them is `Inspecting`'s."""

    def __init__(self, database: Database, *, targets: TableTargets, clock: Clock = now) -> None:
        self._database = database
        self._targets = targets
        self._clock = clock

    async def adopt(
        self, scope: TenantScope, orphan: OrphanPlace, *, display_name: str, by: UUID
    ) -> DataTable:
        """A synced data table that is what the orphan is. Nothing is changed in the target.

        Raises OrphanUnknown, RepairImpossible, LocationTaken, or what opening and reading the target raise.
        """
        target, dialect = await self._open(scope, orphan)
        sight = (await target.examine(orphan.place, lambda _: ())).sight
        if sight.physical is None or not orphan.is_seen(sight):
            raise OrphanUnknown(location=orphan.location)
        require_table(sight.physical)
        definition = adoptable(
            read(sight.physical, dialect, like=TableDefinition(columns=[]), everything=True)
        )
        row = self._row(scope, orphan, sight, (display_name, dialect, definition))
        async with self._database.write() as session:
            await WritableDataTables(session).save(row)
            revisions = WritableRevisions(session)
            await revisions.begin(row, by=by, now=self._clock())
            await revisions.end(row, revision=row.revision, now=self._clock())
        return row

    async def forget(self, scope: TenantScope, orphan: OrphanPlace) -> None:
        """Take our mark away; the table stays. Raises OrphanUnknown, or what changing the target raises."""
        target, dialect = await self._open(scope, orphan)

        def decide(sight: Sight) -> Work:
            if sight.mark is None or not orphan.is_seen(sight):
                raise OrphanUnknown(location=orphan.location)
            return Work(tuple(dialect.unmarking(orphan.location, sight.mark)))

        await target.carry_out(orphan.place, decide, told=lambda _step, _steps: None)

    async def _open(self, scope: TenantScope, orphan: OrphanPlace) -> tuple[Target, Dialect]:
        opened = await self._targets.in_resource(scope, orphan.resource_id, subject=orphan.table_id)
        async with self._database.read() as session:
            if await registered(session, [orphan.table_id]):
                raise OrphanUnknown(location=orphan.location)
        return opened

    def _row(
        self,
        scope: TenantScope,
        orphan: OrphanPlace,
        sight: Sight,
        told: tuple[str, Dialect, TableDefinition],
    ) -> DataTable:
        display_name, dialect, definition = told
        assert sight.mark is not None
        assert sight.name is not None
        location = replace(orphan.location, name=sight.name)
        revision = max(sight.mark.revision, 1)
        return DataTable(
            id=orphan.table_id,
            tenant_id=scope.tenant_id,
            display_name=display_name,
            description="",
            resource_id=orphan.resource_id,
            resource_type=dialect.name,
            schema_name=location.schema,
            physical_name=location.name,
            location_key=location.key,
            definition=definition.model_dump(mode="json"),
            revision=revision,
            state=State.SYNCED.value,
            published_revision=revision,
            published_name=location.name,
            last_published_at=self._clock(),
        )
