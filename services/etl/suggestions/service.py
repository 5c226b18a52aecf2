from dataclasses import dataclass
from typing import Any

from services.etl.clients import CatalogTableUnknown, MetaClient
from services.etl.files.service import FileService
from services.etl.previews.definition import PreviewRefused
from services.etl.previews.schemas import PreviewSource
from services.etl.previews.service import Previews
from services.etl.tables.dialects import DIALECTS, Dialect
from services.etl.tables.errors import DataTableUnknown
from services.etl.tables.service import DataTableService
from services.etl.tasks.errors import FileNotFound
from shared.contracts.identity import TenantScope
from shared.errors import Fault

from .errors import CatalogTableNotFound, DataTableNotFound
from .naming import folded
from .origins import Source, of_catalog, of_csv, of_data_table
from .proposing import Room, proposed
from .schemas import CatalogOrigin, CsvOrigin, DataTableOrigin, Suggestion, SuggestTable


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found at the origin; `also_taken` is its own name, where the new table lies beside it."""

    source: Source
    params: dict[str, Any] | None = None
    also_taken: frozenset[str] = frozenset()


class Suggestions:
    """Suggests data tables; nothing is made, and nothing done in a target."""

    def __init__(
        self, *, tables: DataTableService, files: FileService, previews: Previews, meta: MetaClient
    ) -> None:
        self._tables = tables
        self._files = files
        self._previews = previews
        self._meta = meta

    async def suggest(self, scope: TenantScope, asked: SuggestTable, *, bearer: str) -> Suggestion:
        """A data table like the origin, for the resource. The catalog is asked in the caller's name.

        Raises ResourceNotFound, ResourceUnsuitable, FileNotFound, PreviewRefused, PreviewUnavailable,
        CatalogTableNotFound, DataTableNotFound or Unavailable.
        """
        dialect, default_schema = await self._tables.dialect(scope, asked.resource_id)
        found = await self._found(scope, asked, dialect, bearer)
        taken = await self._tables.names(scope, asked.resource_id)
        room = Room(dialect, default_schema, {*map(folded, taken), *found.also_taken})
        table, notes = proposed(found.source, asked, room)
        return Suggestion(table=table, notes=notes, params=found.params)

    async def _found(self, scope: TenantScope, asked: SuggestTable, dialect: Dialect, bearer: str) -> _Found:
        match asked.origin:
            case CsvOrigin() as origin:
                return await self._csv(scope, origin)
            case DataTableOrigin() as origin:
                return await self._data_table(scope, origin, dialect)
            case CatalogOrigin() as origin:
                return await self._catalog(asked, origin, dialect, bearer)

    async def _csv(self, scope: TenantScope, origin: CsvOrigin) -> _Found:
        place = PreviewSource(file_id=origin.file_id, params=origin.params, rows=1)
        try:
            preview = await self._previews.source(scope, place)
        except FileNotFound:
            raise FileNotFound(file_id=origin.file_id, loc=("body", "from", "file_id")) from None
        except PreviewRefused as refused:
            raise _below_from(refused) from None
        file = await self._files.get(scope, origin.file_id)
        return _Found(of_csv(file.name, preview), preview.params)

    async def _data_table(self, scope: TenantScope, origin: DataTableOrigin, dialect: Dialect) -> _Found:
        try:
            row = await self._tables.get(scope, origin.table_id)
        except DataTableUnknown:
            loc = ("body", "from", "table_id")
            raise DataTableNotFound(table_id=origin.table_id, loc=loc) from None
        there = DIALECTS[row.resource_type]
        return _Found(
            of_data_table(row.display_name, row.physical_name, row.wanted, dialect=there, to=dialect)
        )

    async def _catalog(
        self, asked: SuggestTable, origin: CatalogOrigin, dialect: Dialect, bearer: str
    ) -> _Found:
        try:
            table = await self._meta.table(origin.table_id, bearer=bearer)
        except CatalogTableUnknown:
            loc = ("body", "from", "table_id")
            raise CatalogTableNotFound(table_id=origin.table_id, loc=loc) from None
        home = await self._meta.datasource(table.datasource_id, bearer=bearer)
        source = of_catalog(table, dialect=DIALECTS.get(home.resource_type), to=dialect)
        beside = home.resource_id == asked.resource_id
        return _Found(source, also_taken=frozenset({folded(table.name)} if beside else ()))


def _below_from(refused: PreviewRefused) -> PreviewRefused:
    faults = [
        Fault(("body", "from", *fault.loc[1:]) if fault.loc else (), fault.code, fault.message)
        for fault in refused.all_faults()
    ]
    return PreviewRefused(loc=faults[0].loc if faults else (), faults=faults, **refused.facts)
