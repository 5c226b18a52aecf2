from collections.abc import Mapping
from typing import Final

from services.etl.pipeline.definition import PipelineConfig
from services.etl.pipeline.validate import PipelineInvalid
from services.etl.tables.errors import ResourceChangedType, ResourceGone, ResourceNotFound
from shared.errors import PenstockError, VersionOutdated
from shared.http.operation import operation
from shared.http.paging import Page
from shared.http.request import Request
from shared.http.responses import Created
from shared.identifiers import TaskId

from . import errors, views
from .dry_runs import DryRuns
from .schemas import DryRun, TaskInput, TaskQuery, TaskRevisionView, TaskSummary, TaskView, ValidPipeline
from .service import TaskService

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""

_INVALID: Final = (PipelineInvalid, errors.TableNotFound, errors.FileNotFound, ResourceNotFound)


@operation(
    "POST",
    "/tasks:validate",
    scopes=["task:read"],
    body=PipelineConfig,
    returns=ValidPipeline,
    errors=_INVALID,
)
async def validate_task(request: Request, body: PipelineConfig) -> ValidPipeline:
    """Check a pipeline without saving it.

    The answer has the columns that each step gets; a pipeline that can't run is a problem with every
    place that is wrong.
    """
    return await request.service(TaskService).validate(request.tenant, body)


@operation(
    "POST",
    "/tasks:dry-run",
    scopes=["task:read"],
    body=PipelineConfig,
    returns=DryRun,
    errors=[*_INVALID, ResourceGone, ResourceChangedType],
)
async def dry_run_pipeline(request: Request, body: PipelineConfig) -> DryRun:
    """Show the SQL that a run of a pipeline would say to its target.

    Nothing of it is said: the target isn't asked.
    """
    return await request.service(DryRuns).of_pipeline(request.tenant, body)


@operation(
    "POST",
    "/tasks/{task_id}/dry-run",
    scopes=["task:read"],
    returns=DryRun,
    errors=[errors.TaskUnknown, *_INVALID, ResourceGone, ResourceChangedType],
)
async def dry_run_task(request: Request, task_id: TaskId) -> DryRun:
    """Show the SQL that a run of a task would say to its target, and where an incremental one would go on.

    Nothing of it is said: the target isn't asked.
    """
    return await request.service(DryRuns).of_task(request.tenant, task_id)


@operation(
    "POST",
    "/tasks",
    scopes=["task:write"],
    body=TaskInput,
    returns=TaskView,
    errors=[*_INVALID, errors.TaskNameTaken],
)
async def create_task(request: Request, body: TaskInput) -> Created[TaskView]:
    """Save a pipeline as a task."""
    found = await request.service(TaskService).create(request.principal, request.tenant, body)
    return Created(views.task(found), location=f"/tasks/{found.task.id}")


@operation("GET", "/tasks", scopes=["task:read"], query=TaskQuery, returns=Page[TaskSummary])
async def list_tasks(request: Request, query: TaskQuery) -> Page[TaskSummary]:
    """List tasks."""
    return views.summaries(await request.service(TaskService).listed(request.tenant, query))


@operation("GET", "/tasks/{task_id}", scopes=["task:read"], returns=TaskView, errors=[errors.TaskUnknown])
async def get_task(request: Request, task_id: TaskId) -> TaskView:
    """Show a task with its pipeline."""
    return views.task(await request.service(TaskService).get(request.tenant, task_id))


@operation(
    "PUT",
    "/tasks/{task_id}",
    scopes=["task:write"],
    body=TaskInput,
    returns=TaskView,
    errors=[errors.TaskUnknown, errors.TaskNameTaken, VersionOutdated, *_INVALID],
    if_match=True,
)
async def replace_task(request: Request, task_id: TaskId, body: TaskInput) -> TaskView:
    """Change a task.

    Another pipeline is a new revision; runs that have begun keep theirs.
    """
    found = await request.service(TaskService).replace(
        request.principal, request.tenant, task_id, given=body, version=request.if_match
    )
    return views.task(found)


@operation(
    "DELETE",
    "/tasks/{task_id}",
    scopes=["task:write"],
    errors=[errors.TaskUnknown, errors.TaskRunning, VersionOutdated],
    if_match=True,
)
async def delete_task(request: Request, task_id: TaskId) -> None:
    """Delete a task.

    Its runs stay.
    """
    await request.service(TaskService).delete(request.tenant, task_id, version=request.if_match)


@operation(
    "GET",
    "/tasks/{task_id}/revisions",
    scopes=["task:read"],
    returns=list[TaskRevisionView],
    errors=[errors.TaskUnknown],
)
async def list_task_revisions(request: Request, task_id: TaskId) -> list[TaskRevisionView]:
    """List the pipelines that a task had, newest first, at most a hundred."""
    rows = await request.service(TaskService).revisions(request.tenant, task_id)
    return [views.revision(row) for row in rows]
