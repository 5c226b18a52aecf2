from dataclasses import dataclass

from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.registry import Steps
from services.etl.runs.schemas import RunWarning
from services.etl.tables.models import DataTable
from services.etl.tables.repository import DataTables
from shared.clock import Clock, now
from shared.contracts.identity import Principal, TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.identifiers import DataTableId, FileId, TaskId

from .models import Task, TaskRevision
from .repository import TaskRepository, WritableTasks
from .schemas import StepColumns, TaskInput, TaskQuery, ValidPipeline
from .validation import Checked, Resources, checked
from .warnings import warnings_of, warnings_of_pipeline

_BODY = ("body",)


@dataclass(frozen=True, slots=True)
class TaskState:
    """A task, and what is to be said of its data table just now."""

    task: Task
    warnings: tuple[RunWarning, ...]


class TaskService:
    """Tasks: saved pipelines. Each change of the pipeline is a revision that stays for its runs."""

    def __init__(self, database: Database, *, steps: Steps, resources: Resources, clock: Clock = now) -> None:
        self._database = database
        self._resources = resources
        self._steps = steps
        self._clock = clock

    async def validate(self, scope: TenantScope, config: PipelineConfig) -> ValidPipeline:
        """Check a pipeline without saving it. Raises as `validation.checked` and `Resources.require`."""
        await self._resources.require(scope, config, loc=_BODY)
        async with self._database.read() as session:
            found = await checked(session, scope, config, steps=self._steps, loc=_BODY)
        return ValidPipeline(
            steps=[
                StepColumns(step=step.step, columns=list(columns))
                for step, columns in zip(config.steps, found.pipeline.columns, strict=True)
            ],
            warnings=[*warnings_of(found.table), *warnings_of_pipeline(found.pipeline)],
        )

    async def create(self, caller: Principal, scope: TenantScope, given: TaskInput) -> TaskState:
        """Save a new task. Raises TaskNameTaken, or as `validate`."""
        config = given.pipeline()
        await self._resources.require(scope, config, loc=_BODY)
        async with self._database.write() as session:
            found = await checked(session, scope, config, steps=self._steps, loc=_BODY)
            tasks = WritableTasks(session)
            task = Task(tenant_id=scope.tenant_id, revision=1)
            _name(task, given)
            _take(task, config, found)
            await tasks.save(task)
            await tasks.keep_revision(task, by=caller.subject, now=self._clock())
            return _state(task, found.table)

    async def replace(
        self, caller: Principal, scope: TenantScope, task_id: TaskId, *, given: TaskInput, version: int
    ) -> TaskState:
        """Change a task; another pipeline is a new revision. Raises TaskUnknown, VersionOutdated,
        TaskNameTaken, or as `validate`.
        """
        config = given.pipeline()
        await self._resources.require(scope, config, loc=_BODY)
        async with self._database.write() as session:
            tasks = WritableTasks(session)
            task = await tasks.get(scope, task_id, version=version)
            found = await checked(session, scope, config, steps=self._steps, loc=_BODY)
            _name(task, given)
            if config != PipelineConfig.model_validate(task.pipeline):
                task.revision += 1
                _take(task, config, found)
                await tasks.keep_revision(task, by=caller.subject, now=self._clock())
            return _state(await tasks.save(task), found.table)

    async def get(self, scope: TenantScope, task_id: TaskId) -> TaskState:
        """One task. Raises TaskUnknown."""
        async with self._database.read() as session:
            task = await TaskRepository(session).get(scope, task_id)
            table = await DataTables(session).find(scope, task.table_id) if task.table_id else None
            return _state(task, table)

    async def listed(self, scope: TenantScope, query: TaskQuery) -> Page[Task]:
        """Tasks in the order in which they were made."""
        async with self._database.read() as session:
            return await TaskRepository(session).listed(scope, query)

    async def revisions(self, scope: TenantScope, task_id: TaskId) -> list[TaskRevision]:
        """The newest revisions of a task. Raises TaskUnknown."""
        async with self._database.read() as session:
            tasks = TaskRepository(session)
            return await tasks.revisions(await tasks.get(scope, task_id))

    async def delete(self, scope: TenantScope, task_id: TaskId, *, version: int) -> None:
        """Delete a task; its runs stay. Raises TaskUnknown, VersionOutdated or TaskRunning."""
        async with self._database.write() as session:
            tasks = WritableTasks(session)
            task = await tasks.get(scope, task_id, version=version)
            await tasks.require_idle(scope, task_id)
            task.deleted_at = self._clock()
            task.name_key = None
            await tasks.save(task)


def _state(task: Task, table: DataTable | None) -> TaskState:
    return TaskState(task, tuple(warnings_of(table)))


def _name(task: Task, given: TaskInput) -> None:
    task.name = given.name.strip()
    task.name_key = task.name.casefold()
    task.description = given.description


def _take(task: Task, config: PipelineConfig, found: Checked) -> None:
    task.pipeline = config.model_dump(mode="json")
    task.table_id = DataTableId(found.table.id) if found.table else None
    task.file_id = FileId(found.file.id) if found.file else None
