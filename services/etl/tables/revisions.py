from uuid import UUID

from shared.clock import Clock, now
from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.errors import Fault
from shared.identifiers import DataTableId

from .checks import Keepsakes
from .comparing import compared
from .definition import TableDefinition
from .dialects import DIALECTS
from .editing import checked
from .errors import PublishedTableFixed
from .models import DataTable, DataTableRevision
from .repository import DataTables, Revisions, WritableDataTables, WritableRevisions
from .revision_schemas import CompareQuery, ComparisonView, RevisionQuery
from .service import redefine


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
