"""Is this pipeline one that can run here? Its steps by themselves, then the things that it names."""

from dataclasses import dataclass
from uuid import UUID

from services.etl.files.errors import FileUnknown
from services.etl.files.models import UploadedFile
from services.etl.files.repository import Files
from services.etl.files.states import FileState
from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import Pipeline, validate
from services.etl.tables.errors import DataTableUnknown
from services.etl.tables.models import DataTable
from services.etl.tables.repository import DataTables
from shared.contracts.identity import TenantScope
from shared.db.session import ReadSession
from shared.errors import Loc

from .errors import FileNotFound, TableNotFound


@dataclass(frozen=True, slots=True)
class Checked:
    """A pipeline that can run, with the data table that it fills and the file that it reads."""

    pipeline: Pipeline
    table: DataTable
    file: UploadedFile | None


async def checked(
    session: ReadSession, scope: TenantScope, config: PipelineConfig, *, steps: Steps, loc: Loc = ()
) -> Checked:
    """Check a pipeline in the eyes of a tenant.

    Raises PipelineInvalid with every place that is wrong below `loc`, TableNotFound or FileNotFound; what
    belongs to another tenant isn't there.
    """
    alone = validate(config, steps, loc=loc)
    last = len(config.steps) - 1
    table = await _table(session, scope, alone, loc=(*loc, "steps", last, "params", "table_id"))
    file = await _file(session, scope, alone, loc=(*loc, "source", "params", "file_id"))
    pipeline = validate(config, steps, target=table.wanted.as_target(), loc=loc)
    return Checked(pipeline, table, file)


async def _table(session: ReadSession, scope: TenantScope, pipeline: Pipeline, *, loc: Loc) -> DataTable:
    table_id: UUID = getattr(pipeline.destination.params, "table_id")  # noqa: B009 - steps declare it by name
    try:
        return await DataTables(session).get(scope, table_id)
    except DataTableUnknown:
        raise TableNotFound(table_id=table_id, loc=loc) from None


async def _file(
    session: ReadSession, scope: TenantScope, pipeline: Pipeline, *, loc: Loc
) -> UploadedFile | None:
    file_id: UUID | None = getattr(pipeline.loader.params, "file_id", None)
    return None if file_id is None else await require_ready(session, scope, file_id, loc=loc)


async def require_ready(session: ReadSession, scope: TenantScope, file_id: UUID, *, loc: Loc) -> UploadedFile:
    """A file that can be read. Raises FileNotFound."""
    try:
        file = await Files(session).get(scope, file_id)
    except FileUnknown:
        file = None
    if file is None or file.state != FileState.READY:
        raise FileNotFound(file_id=file_id, loc=loc)
    return file
