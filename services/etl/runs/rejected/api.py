import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from aiohttp import web

from services.etl.runs.errors import IdempotencyKeyReused, RunActive, RunUnknown
from services.etl.runs.schemas import RetryRun, RunView
from shared.errors import PenstockError
from shared.http.operation import operation
from shared.http.paging import Page, PageQuery, decode_cursor, encode_cursor
from shared.http.request import Request
from shared.http.responses import Accepted, Media
from shared.identifiers import RunId

from .errors import RejectsNotReplayable, RejectsReplayed
from .schemas import DownloadQuery, Form, RejectView
from .service import RejectedRows

STATUS_OF: Final[Mapping[type[PenstockError], int]] = {}
"""Every error here has the status of its kind."""

_TAGS = ("runs",)
_NDJSON: Final = Media("application/x-ndjson")
_CSV: Final = Media("text/csv")
_MEDIA: Final = {Form.NDJSON: _NDJSON, Form.CSV: _CSV}
_WRITE_SECONDS: Final = 30.0
"""A client that takes nothing for so long is let go."""


@operation(
    "GET",
    "/runs/{run_id}/rejects",
    scopes=["run:read"],
    tags=_TAGS,
    query=PageQuery,
    returns=Page[RejectView],
    errors=[RunUnknown],
)
async def run_rejects(request: Request, run_id: RunId, query: PageQuery) -> Page[RejectView]:
    """List the rows that a run did not load, with the reasons.

    The first hundred thousand are kept, at most 64 MiB of them; the run's `rejects` say whether these are
    all, its `reject_counts` count them all.
    """
    after = 0 if query.cursor is None else max(0, int(decode_cursor(query.cursor, int)[0]))
    found = await request.service(RejectedRows).listed(
        request.tenant, run_id, after=after, limit=query.limit + 1
    )
    more = len(found) > query.limit
    return Page(
        items=list(found[: query.limit]), next_cursor=encode_cursor(after + query.limit) if more else None
    )


@operation(
    "GET",
    "/runs/{run_id}/rejects:download",
    scopes=["run:read"],
    tags=_TAGS,
    query=DownloadQuery,
    returns=_NDJSON,
    also=[_CSV],
    errors=[RunUnknown],
)
async def download_run_rejects(request: Request, run_id: RunId, query: DownloadQuery) -> web.StreamResponse:
    """Download all rows of a run that were rejected and kept, as lines of JSON or as CSV."""
    pieces = await request.service(RejectedRows).download(request.tenant, run_id, query.form)
    named = f'attachment; filename="rejects-{run_id}.{query.form.value}"'
    response = web.StreamResponse(headers={"Content-Disposition": named, "Cache-Control": "no-store"})
    response.content_type, response.charset = _MEDIA[query.form].type, "utf-8"
    await response.prepare(request.raw)
    await _send(response, pieces)
    return response


@operation(
    "POST",
    "/runs/{run_id}/rejects:replay",
    scopes=["run:write"],
    tags=_TAGS,
    body=RetryRun,
    returns=RunView,
    idempotent=True,
    errors=[RunUnknown, RejectsNotReplayable, RejectsReplayed, RunActive, IdempotencyKeyReused],
)
async def replay_run_rejects(
    request: Request, run_id: RunId, body: RetryRun | None = None
) -> Accepted[RunView]:
    """Try the rejected rows of a run again, as a new run of the task as it is now.

    For runs that have succeeded, once the task, or the table, takes these rows. Only their records are read
    again, from the same file, so it is for tasks that read an uploaded file and work on it row by row. What
    the new run rejects can be replayed from there.
    """
    run = await request.service(RejectedRows).replay(
        request.tenant,
        run_id,
        requested_by=request.principal.subject,
        idempotency_key=request.idempotency_key,
        queue_behind=body is not None and body.queue_behind,
    )
    return Accepted(RunView.model_validate(run), location=f"/runs/{run.id}")


async def _send(response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    """Send the pieces. A client that is gone, or too slow, ends it: what it has is cut off for it to see."""
    try:
        async for piece in pieces:
            async with asyncio.timeout(_WRITE_SECONDS):
                await response.write(piece)
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        response.force_close()
