from uuid import UUID

from services.etl.clients import ResourceUnknown, SystemClient
from services.etl.tables.changing.repository import Holds
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database, ReadSession
from shared.errors import Fault
from shared.identifiers import DataTableId, ResourceId

from .definition import Location, TableDefinition
from .dialects import DIALECTS, Dialect
from .difference import difference
from .editing import drafted, edited, located
from .errors import (
    CategoryNotFound,
    CategoryUnknown,
    PublishedTableFixed,
    ResourceNotFound,
    ResourceUnsuitable,
)
from .models import DataTable
from .repository import Categories, DataTables, WritableDataTables, WritableRevisions
from .schemas import DataTableInput, DataTableQuery, DataTableUpdate
from .states import Event, State, advance


class DataTableService:
    """Data tables as configuration; nothing here touches a target."""

    def __init__(self, database: Database, *, system: SystemClient, clock: Clock = now) -> None:
        self._database = database
        self._system = system
        self._clock = clock

    async def create(self, scope: TenantScope, given: DataTableInput, *, by: UUID) -> DataTable:
        """Make a draft. Raises DefinitionInvalid, LocationTaken, ResourceNotFound, CategoryNotFound."""
        dialect, default_schema = await self.dialect(scope, given.resource_id)
        location, definition = drafted(given, dialect, default_schema)
        async with self._database.write() as session:
            await _require_category(session, scope, given.category_id)
            row = DataTable(
                tenant_id=scope.tenant_id,
                category_id=given.category_id,
                display_name=given.display_name,
                description=given.description,
                tags=given.tags,
                resource_id=given.resource_id,
                resource_type=dialect.name,
                definition=definition.model_dump(mode="json"),
                revision=1,
                state=State.DRAFT.value,
            )
            _place(row, location)
            await WritableDataTables(session).save(row)
            await WritableRevisions(session).keep(row, by=by, now=self._clock())
            return row

    async def get(self, scope: TenantScope, table_id: DataTableId) -> DataTable:
        """One data table. Raises DataTableUnknown."""
        async with self._database.read() as session:
            return await DataTables(session).get(scope, table_id)

    async def listed(self, scope: TenantScope, query: DataTableQuery) -> Page[DataTable]:
        """Data tables in the order in which they were made."""
        async with self._database.read() as session:
            return await DataTables(session).listed(scope, query)

    async def update(
        self, scope: TenantScope, table_id: DataTableId, update: DataTableUpdate, *, version: int, by: UUID
    ) -> DataTable:
        """Change a data table; another definition or place is a new revision.

        Raises DataTableUnknown, VersionOutdated, DefinitionInvalid, LocationTaken, PublishedTableFixed for
        another resource or schema of a published table, and TableIsChanging for that while it is changed.
        """
        found = None
        if update.resource_id is not None:
            found = await self.dialect(scope, update.resource_id)
        async with self._database.write() as session:
            tables, revisions = WritableDataTables(session), WritableRevisions(session)
            row = await tables.get(scope, table_id, version=version)
            if {"resource_id", "schema_name"} & update.model_fields_set:
                # A change that is under way is in the place of now.
                holds = Holds(session)
                await holds.require_free(await holds.locked(scope, table_id))
            if "category_id" in update.model_fields_set:
                await _require_category(session, scope, update.category_id)
                row.category_id = update.category_id
            _describe(row, update)
            dialect, default_schema = found or known_dialect(row)
            moved, published = _moved(row, update, dialect, default_schema), await revisions.current(row)
            if published is not None:
                _require_place(row, update, moved)
            same_kind = dialect.name == row.resource_type
            definition = edited(row.wanted, update, moved, dialect, published=published, keeps=same_kind)
            if update.resource_id is not None and update.resource_id != row.resource_id:
                row.resource_id, row.resource_type = update.resource_id, dialect.name
            redefine(row, moved, definition, published=published)
            await tables.save(row)
            await revisions.keep(row, by=by, now=self._clock())
            return row

    async def names(self, scope: TenantScope, resource_id: ResourceId) -> set[str]:
        """The physical names of all data tables of a resource."""
        async with self._database.read() as session:
            return await DataTables(session).names(scope, resource_id)

    async def dialect(self, scope: TenantScope, resource_id: ResourceId) -> tuple[Dialect, str | None]:
        """The dialect of a resource, and the schema of its tables that name none.

        Raises ResourceNotFound or ResourceUnsuitable.
        """
        loc = ("body", "resource_id")
        try:
            resource = await self._system.connection(scope, resource_id, purpose="publish", subject=None)
        except ResourceUnknown:
            raise ResourceNotFound(resource_id=resource_id, loc=loc) from None
        kind = resource.connection.type
        if kind not in DIALECTS:
            raise ResourceUnsuitable(resource_type=kind, known=", ".join(DIALECTS), loc=loc)
        return DIALECTS[kind], DIALECTS[kind].default_schema(resource.connection)


def known_dialect(row: DataTable) -> tuple[Dialect, str | None]:
    """The dialect of a data table's resource, and the schema of tables that name none."""
    dialect = DIALECTS[row.resource_type]
    return dialect, dialect.capabilities.default_schema


async def _require_category(session: ReadSession, scope: TenantScope, category_id: UUID | None) -> None:
    if category_id is None:
        return
    try:
        await Categories(session).get(scope, category_id)
    except CategoryUnknown:
        raise CategoryNotFound(category_id=category_id, loc=("body", "category_id")) from None


def _describe(row: DataTable, update: DataTableUpdate) -> None:
    if update.display_name is not None:
        row.display_name = update.display_name
    if update.description is not None:
        row.description = update.description
    if update.tags is not None:
        row.tags = update.tags


def _place(row: DataTable, location: Location) -> None:
    row.schema_name = location.schema
    row.physical_name = location.name
    row.location_key = location.key


def redefine(
    row: DataTable, location: Location, definition: TableDefinition, *, published: TableDefinition | None
) -> None:
    """Take over a place and a definition: a new revision if they differ, and the state that follows."""
    if definition == row.wanted and location == row.location:
        return
    _place(row, location)
    row.definition = definition.model_dump(mode="json")
    row.revision += 1
    row.state = advance(row.standing, _edited(row, definition, published)).value


def _edited(row: DataTable, definition: TableDefinition, published: TableDefinition | None) -> Event:
    if published is None or row.published_name is None:
        return Event.EDITED_APART
    names = (row.published_name, row.physical_name)
    same = difference(published, definition, names=names).empty
    return Event.EDITED_BACK if same else Event.EDITED_APART


def _moved(row: DataTable, update: DataTableUpdate, dialect: Dialect, default_schema: str | None) -> Location:
    name = row.physical_name if update.physical_name is None else update.physical_name
    if "schema_name" in update.model_fields_set:
        return located(update.schema_name, name, default_schema)
    same_kind = dialect.name == row.resource_type
    return Location(row.schema_name, name) if same_kind else located(None, name, default_schema)


def _require_place(row: DataTable, update: DataTableUpdate, moved: Location) -> None:
    """Raise PublishedTableFixed for what would take the physical table elsewhere."""
    changed = {
        "resource_id": update.resource_id not in {None, row.resource_id},
        "schema_name": moved.schema != row.schema_name,
    }
    faults = [
        Fault(("body", name), "place_changed", "a published table stays where it is")
        for name, is_changed in changed.items()
        if is_changed
    ]
    if faults:
        raise PublishedTableFixed(faults=faults)
