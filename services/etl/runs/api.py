from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web

from shared.errors import PenstockError
from shared.http import sse
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery, decode_cursor, encode_cursor
from shared.http.request import Request
from shared.http.responses import EVENT_STREAM, Accepted
from shared.identifiers import RunId, TaskId

from .errors import IdempotencyKeyReused, RunActive, RunFinished, RunUnfinished, RunUnknown
from .models import Run
from .schemas import (
    NO_PARAMETERS,
    AttemptView,
    EventQuery,
    EventView,
    RetryRun,
    RunDetails,
    RunQuery,
    RunView,
    StartRun,
)
from .service import RunsService

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {
    RunUnknown: 404,
    RunActive: 409,
    RunFinished: 409,
    RunUnfinished: 409,
    IdempotencyKeyReused: 409,
}

_TAGS = ("runs",)
T = TypeVar("T")


@operation(
    "POST",
    "/tasks/{task_id}/runs",
    scopes=["run:write"],
    tags=_TAGS,
    body=StartRun,
    returns=RunView,
    idempotent=True,
    errors=[RunActive, IdempotencyKeyReused],
)
async def start_run(request: Request, task_id: TaskId, body: StartRun | None = None) -> Accepted[RunView]:
    """Start a run of a task.

    The run is queued and carried out by a runner. With an `Idempotency-Key` the same request gives the
    same run, however often it is sent. While another run is at work on the same target, the answer is a
    409 that names it, unless `queue_behind` is set. `restart` and `file_id` change what this run reads.
    """
    run = await request.service(RunsService).start(
        request.tenant,
        task_id,
        requested_by=request.principal.subject,
        idempotency_key=request.idempotency_key,
        queue_behind=body is not None and body.queue_behind,
        parameters=body.parameters() if body else NO_PARAMETERS,
    )
    return _accepted(run)


@operation("GET", "/runs", scopes=["run:read"], tags=_TAGS, query=RunQuery, returns=Page[RunView])
async def list_runs(request: Request, query: RunQuery) -> Page[RunView]:
    """List runs, the newest first."""
    page = await request.service(RunsService).list(request.tenant, query)
    return Page(items=[RunView.model_validate(run) for run in page.items], next_cursor=page.next_cursor)


@operation("GET", "/runs/{run_id}", scopes=["run:read"], tags=_TAGS, returns=RunDetails, errors=[RunUnknown])
async def get_run(request: Request, run_id: RunId) -> RunDetails:
    """Show a run with its attempts."""
    run, attempts = await request.service(RunsService).get(request.tenant, run_id)
    seen = [AttemptView.model_validate(attempt) for attempt in attempts]
    return RunDetails(**RunView.model_validate(run).model_dump(), attempts=seen)


@operation(
    "POST",
    "/runs/{run_id}/cancel",
    scopes=["run:write"],
    tags=_TAGS,
    returns=RunView,
    errors=[RunUnknown, RunFinished],
)
async def cancel_run(request: Request, run_id: RunId) -> Accepted[RunView]:
    """Cancel a run.

    A run that waits is cancelled at once. A running one is `cancelling` until its work has ended; if its
    rows were committed before that, it ends as `succeeded`.
    """
    return _accepted(await request.service(RunsService).cancel(request.tenant, run_id))


@operation(
    "POST",
    "/runs/{run_id}/retry",
    scopes=["run:write"],
    tags=_TAGS,
    body=RetryRun,
    returns=RunView,
    idempotent=True,
    errors=[RunUnknown, RunUnfinished, RunActive, IdempotencyKeyReused],
)
async def retry_run(request: Request, run_id: RunId, body: RetryRun | None = None) -> Accepted[RunView]:
    """Do the work of a run again, as a new run.

    For runs that are over and did not succeed. The new run has the same revision of the task, and names
    the old one in `replay_of`.
    """
    run = await request.service(RunsService).retry(
        request.tenant,
        run_id,
        requested_by=request.principal.subject,
        idempotency_key=request.idempotency_key,
        queue_behind=body is not None and body.queue_behind,
    )
    return _accepted(run)


@operation(
    "GET",
    "/runs/{run_id}/events",
    scopes=["run:read"],
    tags=_TAGS,
    query=EventQuery,
    returns=Page[EventView],
    also=[EVENT_STREAM],
    errors=[RunUnknown],
)
async def run_events(
    request: Request, run_id: RunId, query: EventQuery
) -> Page[EventView] | web.StreamResponse:
    """List or follow the events of a run.

    With `Accept: text/event-stream` they are sent as they happen (server-sent events), from the one after
    `Last-Event-ID` or `after`, each once and in order; the stream ends with the run. Else they are a list.
    """
    runs = request.service(RunsService)
    after = max(query.after, request.last_event_id or 0)
    if request.wants_stream:
        await runs.get(request.tenant, run_id)
        return await sse.stream(request, _followed(request, run_id, after))
    after = max(after, _position(query))
    events = await runs.events(request.tenant, run_id, after=after, limit=query.limit + 1)
    return _page([EventView.model_validate(event) for event in events], [e.seq for e in events], query)


async def _followed(request: Request, run_id: RunId, after: int) -> AsyncIterator[sse.Event]:
    runs = request.service(RunsService)
    async for event in runs.follow(request.tenant, run_id, after=after):
        data: dict[str, Any] = {"seq": event.seq, "type": event.type, "at": event.at.isoformat()}
        yield sse.Event(event.seq, event.type, data | {"data": event.data})


def _accepted(run: Run) -> Accepted[RunView]:
    return Accepted(RunView.model_validate(run), location=f"/runs/{run.id}")


def _position(query: PageQuery) -> int:
    return 0 if query.cursor is None else int(decode_cursor(query.cursor, int)[0])


def _page(items: list[T], numbers: list[int], query: PageQuery) -> Page[T]:
    """A page of a numbered list of which one item more was read than fits."""
    more = len(items) > query.limit
    cursor = encode_cursor(numbers[query.limit - 1]) if more else None
    return Page(items=items[: query.limit], next_cursor=cursor)
