"""Is this pipeline one that can run here? Its steps by themselves, then the things that it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.etl.clients import ResourceUnknown, SystemClient
from services.etl.destinations._base import DestinationStep
from services.etl.destinations.database_save import DatabaseSave
from services.etl.destinations.file_save import FileSave
from services.etl.files.errors import FileUnknown
from services.etl.files.models import UploadedFile
from services.etl.files.repository import Files
from services.etl.files.states import FileState
from services.etl.loaders._base import Loader, Needs
from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import Pipeline, PipelineInvalid, validated
from services.etl.tables.errors import DataTableUnknown, ResourceNotFound
from services.etl.tables.models import DataTable
from services.etl.tables.repository import DataTables
from shared.contracts.connection import ResourceConnection
from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession
from shared.errors import Loc, PenstockError
from shared.identifiers import ResourceId

from .errors import FileNotFound, SourceUnsuitable, TableNotFound, TargetUnsuitable
from .file_jobs import BUCKET
from .sources import require_type


@dataclass(frozen=True, slots=True)
class Checked:
    """A pipeline that can run, with the data table that it fills, if it does, and the file that it reads."""

    pipeline: Pipeline
    table: DataTable | None
    file: UploadedFile | None


async def checked(
    session: ReadSession, scope: TenantScope, config: PipelineConfig, *, steps: Steps, loc: Loc = ()
) -> Checked:
    """Check a pipeline in the eyes of a tenant.

    Raises PipelineInvalid with every place that is wrong below `loc`; where one thing alone isn't there,
    TableNotFound or FileNotFound. What belongs to another tenant isn't there. Resources are not asked for
    here: see `Resources.require`.
    """
    alone = await validated(config, steps, loc=loc)
    missing: list[PenstockError] = []
    table = None
    if isinstance(alone.destination, DatabaseSave):
        place = (*loc, "steps", len(config.steps) - 1)
        table = await _table(session, scope, alone.destination, missing, loc=place)
    file = await _file(session, scope, alone.loader, missing, loc=(*loc, "source"))
    for key, loader in alone.lookups.items():
        position, _, name = key.partition(".")
        place = (*loc, "steps", int(position), "params", name)
        await _file(session, scope, loader, missing, loc=place)
    _complain(missing)
    if table is None:
        return Checked(alone, None, file)
    pipeline = await validated(config, steps, target=table.wanted.as_target(), loc=loc)
    return Checked(pipeline, table, file)


async def _table(
    session: ReadSession,
    scope: TenantScope,
    destination: DatabaseSave,
    missing: list[PenstockError],
    *,
    loc: Loc,
) -> DataTable | None:
    table_id = destination.params.table_id
    try:
        return await DataTables(session).get(scope, table_id)
    except DataTableUnknown:
        missing.append(TableNotFound(table_id=table_id, loc=(*loc, "params", "table_id")))
        return None


async def _file(
    session: ReadSession, scope: TenantScope, loader: Loader, missing: list[PenstockError], *, loc: Loc
) -> UploadedFile | None:
    file_id = loader.needs().file_id
    if file_id is None:
        return None
    try:
        return await require_ready(session, scope, file_id, loc=(*loc, "params", "file_id"))
    except FileNotFound as error:
        missing.append(error)
        return None


async def require_ready(session: ReadSession, scope: TenantScope, file_id: UUID, *, loc: Loc) -> UploadedFile:
    """A file that can be read. Raises FileNotFound."""
    try:
        file = await Files(session).get(scope, file_id)
    except FileUnknown:
        file = None
    if file is None or file.state != FileState.READY:
        raise FileNotFound(file_id=file_id, loc=loc)
    return file


class Resources:
    """Asks System whether the resources of a pipeline's source and destination are there, and fit."""

    def __init__(self, system: SystemClient, steps: Steps) -> None:
        self._system = system
        self._steps = steps

    async def require(self, scope: TenantScope, config: PipelineConfig, *, loc: Loc = ()) -> None:
        """Raises ResourceNotFound, SourceUnsuitable or TargetUnsuitable, PipelineInvalid with every place, or
        what System says.
        """
        pipeline = await validated(config, self._steps, loc=loc)
        loaders = {(*loc, "source"): pipeline.loader}
        for key, loader in pipeline.lookups.items():
            position, _, name = key.partition(".")
            loaders[*loc, "steps", int(position), "params", name] = loader
        missing: list[PenstockError] = []
        for place, loader in loaders.items():
            try:
                await self._require(scope, loader.needs(), loc=(*place, "params", "resource_id"))
            except (ResourceNotFound, SourceUnsuitable) as error:
                missing.append(error)
        place = (*loc, "steps", len(config.steps) - 1, "params", "resource_id")
        try:
            await self._require_bucket(scope, pipeline.destination, loc=place)
        except (ResourceNotFound, TargetUnsuitable) as error:
            missing.append(error)
        _complain(missing)

    async def _require_bucket(self, scope: TenantScope, destination: DestinationStep, *, loc: Loc) -> None:
        if not isinstance(destination, FileSave) or destination.resource_id is None:
            return
        found = await self._found(scope, destination.resource_id, loc=loc)
        if found.connection.type != BUCKET:
            raise TargetUnsuitable(loc=loc, found=found.connection.type)

    async def _require(self, scope: TenantScope, needs: Needs, *, loc: Loc) -> None:
        if needs.resource_id is None:
            return
        require_type(await self._found(scope, ResourceId(needs.resource_id), loc=loc), needs, loc=loc)

    async def _found(self, scope: TenantScope, resource_id: ResourceId, *, loc: Loc) -> ResourceConnection:
        try:
            return await self._system.connection(scope, resource_id, purpose="preview", subject=None)
        except ResourceUnknown:
            raise ResourceNotFound(resource_id=resource_id, loc=loc) from None


def _complain(missing: Sequence[PenstockError]) -> None:
    """Raise the only error as it is, several of them as one with all their places."""
    if len(missing) == 1:
        raise missing[0]
    if missing:
        faults = [fault for error in missing for fault in error.all_faults()]
        raise PipelineInvalid(loc=faults[0].loc, faults=faults, reason=faults[0].message.rstrip("."))
