"""Rows as answers."""

from services.etl.pipeline.definition import PipelineConfig
from shared.db import repository
from shared.http import paging

from .models import Task, TaskRevision
from .schemas import TaskRevisionView, TaskSummary, TaskView
from .service import TaskState


def task(found: TaskState) -> TaskView:
    row = found.task
    pipeline = PipelineConfig.model_validate(row.pipeline)
    return TaskView(
        **dict(TaskSummary.model_validate(row)),
        source=pipeline.source,
        steps=pipeline.steps,
        limits=pipeline.limits,
        warnings=list(found.warnings),
    )


def summaries(page: repository.Page[Task]) -> paging.Page[TaskSummary]:
    items = [TaskSummary.model_validate(row) for row in page.items]
    return paging.Page(items=items, next_cursor=page.next_cursor)


def revision(row: TaskRevision) -> TaskRevisionView:
    pipeline = PipelineConfig.model_validate(row.pipeline)
    return TaskRevisionView(
        revision=row.revision,
        created_at=row.created_at,
        created_by=row.created_by,
        source=pipeline.source,
        steps=pipeline.steps,
        limits=pipeline.limits,
    )
