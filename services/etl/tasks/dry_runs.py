"""What a run of a pipeline would say to its target, without saying it."""

from dataclasses import dataclass

from services.etl.clients import SystemClient
from services.etl.columns import Columns
from services.etl.destinations.database_save import DatabaseSave
from services.etl.destinations.file_save import FileSave
from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.job import JobSource, JobSpec
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.targets import target_for
from services.etl.pipeline.validate import validated
from services.etl.runs.repository import Runs
from services.etl.tables.repository import Revisions
from shared.clock import now
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.errors import Loc
from shared.identifiers import TaskId

from .file_jobs import BUCKET, FileTargets
from .jobs import resource_of, target_of
from .repository import TaskRepository
from .schemas import DryRun, DryRunFile
from .sources import Sources
from .validation import Checked, checked
from .warnings import warnings_of, warnings_of_pipeline


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a task beside its pipeline."""

    task_id: TaskId | None = None
    cursor: str | None = None


class DryRuns:
    """Shows the SQL of runs. System is asked for the resource, the target for nothing."""

    def __init__(
        self,
        database: Database,
        *,
        system: SystemClient,
        sources: Sources,
        files: FileTargets,
        steps: Steps,
    ) -> None:
        self._database = database
        self._files = files
        self._system = system
        self._sources = sources
        self._steps = steps

    async def of_pipeline(self, scope: TenantScope, config: PipelineConfig) -> DryRun:
        """What a run of this pipeline would say. Raises as `validation.checked`, or ResourceGone."""
        return await self._of(scope, config, _Known(), loc=("body",))

    async def of_task(self, scope: TenantScope, task_id: TaskId) -> DryRun:
        """What a run of the task's newest revision would say. Raises TaskUnknown, or as `of_pipeline`."""
        async with self._database.read() as session:
            task = await TaskRepository(session).get(scope, task_id)
            cursor = await Runs(session).last_cursor(scope, task_id)
        config = PipelineConfig.model_validate(task.pipeline)
        return await self._of(scope, config, _Known(task_id, cursor), loc=())

    async def _of(self, scope: TenantScope, config: PipelineConfig, known: _Known, *, loc: Loc) -> DryRun:
        async with self._database.read() as session:
            found = await checked(session, scope, config, steps=self._steps, loc=loc)
            if found.table is None:
                return await self._of_file(scope, found, known)
            table = found.table
            definition = await Revisions(session).current(table) or table.wanted
        # A pending table is filled as it was published.
        await validated(config, self._steps, target=definition.as_target(), loc=loc)
        destination = found.pipeline.destination
        assert isinstance(destination, DatabaseSave)
        resource = await resource_of(self._system, scope, table, purpose="preview", subject=known.task_id)
        path = self._sources.sqlite_path(resource)
        job = JobSpec(
            source=JobSource(loader=config.source.loader, params=config.source.params),
            steps=config.steps[:-1],
            target=target_of(table, definition, destination, resource, sqlite_path=path),
            limits=config.limits,
            stream=str(known.task_id or "<task>") if found.pipeline.loader.incremental else None,
        )
        return _shown(found, job, known)

    async def _of_file(self, scope: TenantScope, found: Checked, known: _Known) -> DryRun:
        """A file has no SQL: what there is to say is its name and its form."""
        destination, incremental = found.pipeline.destination, found.pipeline.loader.incremental
        assert isinstance(destination, FileSave)
        name = destination.name_for(run_id="<run>", moment=now())
        return DryRun(
            engine=BUCKET if destination.resource_id else "store",
            file=DryRunFile(
                name=name,
                form=destination.form,
                overwrite=destination.params.overwrite,
                taken=await self._files.is_taken(scope, destination, name),
            ),
            key=[],
            columns=list(found.pipeline.columns_out),
            incremental=incremental,
            cursor=known.cursor if incremental else None,
            statements=[],
            warnings=list(warnings_of_pipeline(found.pipeline)),
        )


def _shown(found: Checked, job: JobSpec, known: _Known) -> DryRun:
    target, incremental = job.table, found.pipeline.loader.incremental
    wanted = Columns(target.columns)
    columns = Columns(wanted.get(name) for name in found.pipeline.columns_out.names)
    engine = target.connection.connection.type
    return DryRun(
        engine=engine,
        schema_name=target.schema_name,
        table_name=target.table_name,
        mode=target.mode,
        key=target.key,
        columns=list(columns),
        incremental=incremental,
        cursor=known.cursor if incremental else None,
        statements=target_for(engine).script(job, columns),
        warnings=[*warnings_of(found.table), *warnings_of_pipeline(found.pipeline)],
    )
