from uuid import UUID

from services.etl.tables.checks import Keepsakes
from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.editing import checked
from services.etl.tables.errors import PublishedTableFixed
from services.etl.tables.models import DataTable, DataTableRevision
from services.etl.tables.repository import DataTables, Revisions, WritableDataTables, WritableRevisions
from services.etl.tables.service import redefine
from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.errors import Fault
from shared.identifiers import DataTableId

from .comparing import compared
from .schemas import CompareQuery, ComparisonView, RevisionQuery


class RevisionService:
    """The definitions that a data table had: to be looked at, compared and taken back."""

    def __init__(self, database: Database, *, clock: Clock = now) -> None:
        self._database = database
        self._clock = clock

    async def listed(
        self, scope: TenantScope, table_id: DataTableId, query: RevisionQuery
    ) -> Page[DataTableRevision]:
        """Revisions, the newest first. Raises DataTableUnknown."""
        async with self._database.read() as session:
            row = await DataTables(session).get(scope, table_id)
            return await Revisions(session).listed(
                row, limit=query.limit, cursor=query.cursor, published=query.published
            )

    async def get(self, scope: TenantScope, table_id: DataTableId, revision: int) -> DataTableRevision:
        """One revision. Raises DataTableUnknown or RevisionUnknown."""
        async with self._database.read() as session:
            return await Revisions(session).get(await DataTables(session).get(scope, table_id), revision)

    async def compare(self, scope: TenantScope, table_id: DataTableId, query: CompareQuery) -> ComparisonView:
        """What leads from one revision to another. Raises DataTableUnknown or RevisionUnknown."""
        async with self._database.read() as session:
            row, revisions = await DataTables(session).get(scope, table_id), Revisions(session)
            after = await revisions.get(row, query.after or row.revision)
            wanted = query.before or row.published_revision or await revisions.previous(row, after.revision)
            return compared(await revisions.get(row, wanted), after)

    async def restore(
        self, scope: TenantScope, table_id: DataTableId, revision: int, *, version: int, by: UUID
    ) -> DataTable:
        """Make the definition and the place of a revision the current ones, as a new revision.

        Raises DataTableUnknown, RevisionUnknown, VersionOutdated, LocationTaken, PublishedTableFixed when
        the published table has come to another schema since, or DefinitionInvalid when the definition
        doesn't suit the resource any more.
        """
        async with self._database.write() as session:
            tables, revisions = WritableDataTables(session), WritableRevisions(session)
            row = await tables.get(scope, table_id, version=version)
            wanted = await revisions.get(row, revision)
            published = await revisions.current(row)
            if published is not None and wanted.schema_name != row.schema_name:
                fault = Fault(("path", "revision"), "place_changed", "that revision lies in another schema")
                raise PublishedTableFixed(faults=[fault])
            definition = _restored(row, wanted, published)
            redefine(row, wanted.location, definition, published=published)
            await tables.save(row)
            await revisions.keep(row, by=by, now=self._clock())
            return row


def _restored(
    row: DataTable, wanted: DataTableRevision, published: TableDefinition | None
) -> TableDefinition:
    return checked(
        wanted.wanted,
        wanted.location,
        DIALECTS[row.resource_type],
        draft=published is None,
        keepsakes=Keepsakes.of(row.wanted, published),
    )
