from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, cast, or_, select

from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.registry import Steps
from services.etl.pipeline.validate import PipelineInvalid, validated
from services.etl.runs.repository import has_active, writing
from services.etl.tables.definition import TableDefinition
from services.etl.tables.errors import DataTableInUse
from services.etl.tables.ports import AffectedTask
from shared.contracts.identity import TenantScope
from shared.db.errors import unique_or
from shared.db.repository import Page, Repository, WritableRepository, expect_version
from shared.db.session import ReadSession
from shared.identifiers import DataTableId, FileId, RunId, TaskId

from .errors import TaskNameTaken, TaskRevisionUnknown, TaskRunning, TaskUnknown
from .models import Task, TaskRevision
from .schemas import TaskQuery

_NAMED = 10
"""How many tasks an error names."""


class TaskRepository(Repository[Task]):
    """Tasks of a tenant; deleted ones are only found when they are asked for."""

    model = Task

    def living(self, scope: TenantScope) -> Select[Any]:
        """Tasks that are not deleted."""
        return self.of(scope).where(Task.deleted_at.is_(None))

    async def get(
        self, scope: TenantScope, task_id: UUID, *, version: int | None = None, deleted: bool = False
    ) -> Task:
        """The task, at this version if one is given. Raises TaskUnknown or VersionOutdated."""
        base = self.of(scope) if deleted else self.living(scope)
        found: Task | None = await self._session.one_or_none(base.where(Task.id == task_id))
        if found is None:
            raise TaskUnknown(task_id=task_id)
        if version is not None:
            expect_version(found, version)
        return found

    async def listed(self, scope: TenantScope, query: TaskQuery) -> Page[Task]:
        """Tasks in the order in which they were made."""
        statement = self.living(scope)
        if query.table_id is not None:
            statement = statement.where(Task.table_id == query.table_id)
        if query.file_id is not None:
            statement = statement.where(Task.file_id == query.file_id)
        return await self.page(statement, limit=query.limit, cursor=query.cursor)

    async def pipeline(self, task: Task, revision: int) -> PipelineConfig:
        """The pipeline of a task as it was at a revision. Raises TaskRevisionUnknown."""
        row = await self._session.get(TaskRevision, (task.id, revision))
        if row is None:
            raise TaskRevisionUnknown(task_id=task.id, revision=revision)
        return PipelineConfig.model_validate(row.pipeline)

    async def revisions(self, task: Task) -> list[TaskRevision]:
        """The newest hundred revisions, newest first."""
        return list(
            await self._session.scalars(
                select(TaskRevision)
                .where(TaskRevision.task_id == task.id)
                .order_by(TaskRevision.revision.desc())
                .limit(100)
            )
        )


class WritableTasks(TaskRepository, WritableRepository[Task]):
    """Tasks in a unit of work."""

    async def save(self, task: Task) -> Task:
        """Insert or update. Raises TaskNameTaken."""
        with unique_or(TaskNameTaken(name=task.name, loc=("body", "name"))):
            return await self.add(task)

    async def keep_revision(self, task: Task, *, by: UUID, now: datetime) -> None:
        """Keep the current pipeline under its revision."""
        self._writing.add(
            TaskRevision(
                task_id=task.id,
                revision=task.revision,
                pipeline=task.pipeline,
                created_at=now,
                created_by=by,
            )
        )
        await self._writing.flush()

    async def require_idle(self, scope: TenantScope, task_id: TaskId) -> None:
        """Raise TaskRunning while a run of the task isn't over."""
        if await has_active(self._session, scope, task_id=task_id):
            raise TaskRunning


async def files_read(session: ReadSession, scope: TenantScope, file_ids: Collection[UUID]) -> set[UUID]:
    """Those of the files that a task reads: as its source, or in one of its steps."""
    reading = TaskRepository(session).living(scope).where(_may_read(file_ids))
    read = set[UUID]()
    for task in await session.scalars(reading):
        read |= set(_files_of(task.pipeline))
    return read & set(file_ids)


def _may_read(file_ids: Collection[UUID]) -> ColumnElement[bool]:
    """Tasks in whose pipelines one of the ids stands somewhere."""
    text = cast(Task.pipeline, Text)
    return or_(Task.file_id.in_(file_ids), *(text.contains(str(file_id)) for file_id in file_ids))


def _files_of(tree: Any) -> Iterator[UUID]:
    """The ids of files in a pipeline: parameters of loaders, those of further sources among them."""
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            if name == "file_id" and isinstance(value, str):
                with suppress(ValueError):
                    yield UUID(value)
            yield from _files_of(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _files_of(value)


class TaskUses:
    """What tasks use: data tables and files ask before they go, and tables before they change."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    async def tasks_of(
        self,
        session: ReadSession,
        scope: TenantScope,
        table_id: DataTableId,
        *,
        wanted: TableDefinition | None = None,
    ) -> list[AffectedTask]:
        """The tasks that fill a data table, by name, and what breaks in them once it is as `wanted`."""
        tasks = TaskRepository(session).living(scope).where(Task.table_id == table_id)
        rows = list(await session.scalars(tasks.order_by(Task.name)))
        return [
            AffectedTask(id=TaskId(row.id), name=row.name, breaks=await self._breaks(row, wanted))
            for row in rows
        ]

    async def require_none(self, session: ReadSession, scope: TenantScope, table_id: DataTableId) -> None:
        """Raise DataTableInUse while a task fills the table or a run is at work on it."""
        if tasks := await self.tasks_of(session, scope, table_id):
            names = ", ".join(task.name for task in tasks[:_NAMED])
            raise DataTableInUse(users=f"the tasks {names} fill it")
        if await has_active(session, scope, table_id=table_id):
            raise DataTableInUse(users="a run is at work on it")

    async def writing_run(
        self, session: ReadSession, scope: TenantScope, table_id: DataTableId
    ) -> RunId | None:
        """A run that writes the table, or may have written it and hasn't been asked since."""
        return await writing(session, scope, table_id)

    async def tasks_reading(self, session: ReadSession, scope: TenantScope, file_id: FileId) -> list[str]:
        """The names of the tasks that read this file, as their source or in a step."""
        tasks = TaskRepository(session).living(scope).where(_may_read([file_id])).order_by(Task.name)
        reading = [row for row in await session.scalars(tasks) if file_id in _files_of(row.pipeline)]
        return [row.name for row in reading[:_NAMED]]

    async def _breaks(self, task: Task, wanted: TableDefinition | None) -> list[str]:
        if wanted is None:
            return []
        try:
            config = PipelineConfig.model_validate(task.pipeline)
            await validated(config, self._steps, target=wanted.as_target())
        except PipelineInvalid as invalid:
            return [fault.message for fault in invalid.all_faults()] or [str(invalid)]
        return []
