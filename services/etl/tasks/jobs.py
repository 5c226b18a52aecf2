"""From a task to what a run needs: first what to lock, later the complete job."""

from pathlib import Path
from uuid import UUID

from services.etl.clients import Purpose, ResourceUnknown, SystemClient
from services.etl.columns import Column
from services.etl.destinations.database_save import DatabaseSave
from services.etl.destinations.file_save import FileSave
from services.etl.files.service import FileService
from services.etl.loaders._base import Loader
from services.etl.pipeline.definition import PipelineConfig, SourceConfig
from services.etl.pipeline.job import JobFileTarget, JobSource, JobSpec, JobTarget
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import Pipeline, validated
from services.etl.runs.rejected.service import records_of
from services.etl.runs.rejected.store import RejectStore
from services.etl.runs.schemas import NO_PARAMETERS, Runnable, RunParameters
from services.etl.tables.changing.errors import TableHeld
from services.etl.tables.changing.repository import shared_row
from services.etl.tables.definition import TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.errors import DataTableUnknown, ResourceChangedType, ResourceGone
from services.etl.tables.models import DataTable
from services.etl.tables.repository import DataTables, Revisions
from services.etl.tables.states import State
from shared.contracts.connection import ResourceConnection
from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession
from shared.identifiers import DataTableId, RunId, TaskId

from .errors import TableIsGhost, TableUnpublished, TargetGone
from .file_jobs import FileTargets, key_of
from .models import Task
from .parameters import applied
from .repository import TaskRepository
from .sources import Sources
from .validation import require_ready
from .warnings import warnings_of


class TaskJobs:
    """Makes jobs of tasks. A job holds connection info: it is handed on and never written down."""

    def __init__(
        self,
        database: Database,
        *,
        files: FileService,
        system: SystemClient,
        steps: Steps,
        sqlite_root: Path | None,
        rejects: RejectStore,
        memory_limit_mb: int = 1024,
    ) -> None:
        self._database = database
        self._system = system
        self._steps = steps
        self._sources = Sources(files=files, system=system, sqlite_root=sqlite_root)
        self._files = FileTargets(database, files=files, system=system)
        self._rejects = rejects
        self._memory_limit_mb = memory_limit_mb

    async def runnable(
        self, scope: TenantScope, task_id: TaskId, parameters: RunParameters = NO_PARAMETERS
    ) -> Runnable:
        """What a run of the newest revision would touch.

        Raises TaskUnknown, TargetGone, TableUnpublished, TableIsGhost, PipelineInvalid when the pipeline
        doesn't fit the table as it is published, SourceFixed, or FileNotFound.
        """
        async with self._database.read() as session:
            task = await TaskRepository(session).get(scope, task_id)
            config = await applied(PipelineConfig.model_validate(task.pipeline), parameters, self._steps)
            if parameters.file_id is not None:
                await require_ready(session, scope, parameters.file_id, loc=("body", "file_id"))
        if task.table_id is None:
            return await self._writing_file(scope, task, config)
        async with self._database.read() as session:
            table = await _table(session, scope, task.table_id)
            published = await _published(session, table)
        await validated(config, self._steps, target=published.as_target())
        return Runnable(
            task_id=task_id,
            revision=task.revision,
            name=task.name,
            table_id=task.table_id,
            table_key=str(table.id),
            resource_id=table.resource_id,
            single_writer=DIALECTS[table.resource_type].capabilities.single_writer,
            timeout_seconds=config.limits.timeout_seconds,
            warnings=tuple(warnings_of(table)),
        )

    async def job_of(
        self,
        scope: TenantScope,
        task_id: TaskId,
        revision: int,
        *,
        run_id: RunId,
        parameters: RunParameters = NO_PARAMETERS,
    ) -> JobSpec:
        """The complete job of a task's revision, with the connection info of this moment.

        Raises Transient errors while a service can't answer, and Terminal ones when something is gone or
        doesn't fit any more. A task that was deleted meanwhile is carried out all the same.
        """
        async with self._database.read() as session:
            tasks = TaskRepository(session)
            saved = await tasks.pipeline(await tasks.get(scope, task_id, deleted=True), revision)
        config = await applied(saved, parameters, self._steps)
        pipeline = await validated(config, self._steps)
        target = await self._target(scope, pipeline, config, task_id=task_id, run_id=run_id)
        source = await self._source(scope, pipeline.loader, config.source, run_id=run_id, of=parameters)
        return JobSpec(
            source=source,
            steps=config.steps[:-1],
            lookups=await self._sources.lookups(scope, pipeline, purpose="run", subject=run_id),
            target=target,
            limits=config.limits,
            memory_limit_mb=self._memory_limit_mb,
            stream=str(task_id),
            restart=parameters.restart,
        )

    async def _writing_file(self, scope: TenantScope, task: Task, config: PipelineConfig) -> Runnable:
        destination = (await validated(config, self._steps)).destination
        assert isinstance(destination, FileSave)
        return Runnable(
            task_id=TaskId(task.id),
            revision=task.revision,
            name=task.name,
            table_id=None,
            table_key=key_of(scope, destination),
            resource_id=destination.resource_id,
            single_writer=False,
            timeout_seconds=config.limits.timeout_seconds,
        )

    async def _target(
        self,
        scope: TenantScope,
        pipeline: Pipeline,
        config: PipelineConfig,
        *,
        task_id: TaskId,
        run_id: RunId,
    ) -> JobTarget | JobFileTarget:
        destination = pipeline.destination
        if isinstance(destination, FileSave):
            return await self._files.of_run(scope, destination, task_id=task_id, run_id=run_id)
        assert isinstance(destination, DatabaseSave)
        table, published = await self._for_writing(scope, destination.params.table_id)
        await validated(config, self._steps, target=published.as_target())
        resource = await resource_of(self._system, scope, table, purpose="run", subject=run_id)
        path = self._sources.sqlite_path(resource)
        return target_of(table, published, destination, resource, sqlite_path=path)

    async def _source(
        self, scope: TenantScope, loader: Loader, given: SourceConfig, *, run_id: RunId, of: RunParameters
    ) -> JobSource:
        """What a run reads, or of it only the records that another run has rejected."""
        found = await self._sources.found(
            scope, given.loader, given.params, needs=loader.needs(), purpose="run", subject=run_id
        )
        if of.rejects_of is None:
            return found
        records = await records_of(self._database, self._rejects, scope, of.rejects_of)
        return found.model_copy(update={"records": records})

    async def _for_writing(
        self, scope: TenantScope, table_id: DataTableId
    ) -> tuple[DataTable, TableDefinition]:
        """The table and the definition that its physical table has, while no change of it is under way.

        The run is claimed by now, and a change that begins after this looks for claimed runs: of the two
        the later one waits. Raises TableHeld, a Transient error.
        """
        async with self._database.write() as session:
            try:
                table, held = await shared_row(session, scope, table_id)
            except DataTableUnknown:
                raise TargetGone from None
            if held:
                raise TableHeld(table=table.display_name)
            return table, await _published(session, table)


async def resource_of(
    system: SystemClient, scope: TenantScope, table: DataTable, *, purpose: Purpose, subject: UUID | None
) -> ResourceConnection:
    """The resource of a data table. Raises ResourceGone, ResourceChangedType, or what System raises."""
    try:
        found = await system.connection(scope, table.resource_id, purpose=purpose, subject=subject)
    except ResourceUnknown:
        raise ResourceGone from None
    if found.connection.type != table.resource_type:
        raise ResourceChangedType(found=found.connection.type, expected=table.resource_type)
    return found


def target_of(
    table: DataTable,
    definition: TableDefinition,
    destination: DatabaseSave,
    resource: ResourceConnection,
    *,
    sqlite_path: str | None,
) -> JobTarget:
    """The table of a job, as it has this definition."""
    as_target = definition.as_target()
    return JobTarget(
        connection=resource,
        sqlite_path=sqlite_path,
        schema_name=table.schema_name,
        table_name=table.published_name or table.physical_name,
        columns=held_columns(table, definition),
        defaults=sorted(as_target.defaults),
        key=list(destination.key_of(as_target)),
        mode=destination.params.mode,
        winner=destination.params.winner,
        history=destination.history,
    )


def held_columns(table: DataTable, definition: TableDefinition) -> list[Column]:
    """The columns of a data table with the types that its engine holds them in."""
    dialect = DIALECTS[table.resource_type]
    return [
        Column(name=column.name, type=dialect.held(column, definition), nullable=column.nullable)
        for column in definition.columns
    ]


async def _table(session: ReadSession, scope: TenantScope, table_id: DataTableId) -> DataTable:
    try:
        return await DataTables(session).get(scope, table_id)
    except DataTableUnknown:
        raise TargetGone from None


async def _published(session: ReadSession, table: DataTable) -> TableDefinition:
    """The definition that the physical table has: a pending one is ahead of it."""
    published = await Revisions(session).current(table)
    if published is None:
        raise TableUnpublished(table=table.display_name)
    if table.standing is State.GHOST:
        raise TableIsGhost(table=table.display_name)
    return published
