"""Sync logs over HTTP, and how a sync or a scan is started."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from uuid import UUID

from aiohttp import web

from services.meta.datasources.errors import DatasourceUnknown
from services.meta.sync.errors import (
    DatabaseUnknown,
    DatasourceRemoved,
    KeyReused,
    NotCancellable,
    NotScannable,
    ScanActive,
    SyncLogUnknown,
)
from services.meta.sync.schemas import (
    MAX_SEQ,
    ScanRequest,
    SyncEventQuery,
    SyncEventView,
    SyncLogDetail,
    SyncLogQuery,
    SyncLogView,
)
from services.meta.sync.service import Asked, Syncs
from shared.errors import PenstockError
from shared.http import sse
from shared.http.operation import operation
from shared.http.paging import Page, decode_cursor, encode_cursor
from shared.http.request import Request
from shared.http.responses import EVENT_STREAM, Accepted
from shared.identifiers import DatasourceId

STATUS_OF: Mapping[type[PenstockError], int] = {
    SyncLogUnknown: 404,
    DatasourceUnknown: 404,
    ScanActive: 409,
    NotScannable: 409,
    DatasourceRemoved: 409,
    NotCancellable: 409,
    KeyReused: 409,
    DatabaseUnknown: 422,
}
_START_ERRORS = (DatasourceUnknown, ScanActive, NotScannable, DatasourceRemoved, KeyReused)


@operation(
    "POST",
    "/datasources/{datasource}/sync",
    returns=SyncLogView,
    scopes=["catalog:scan"],
    errors=_START_ERRORS,
    idempotent=True,
)
async def start_sync(request: Request, datasource: DatasourceId) -> Accepted[SyncLogView]:
    """Sync a datasource: level 1.

    Lists its databases with charset, collation, owner, number of tables and size. One sync or scan at a
    time: 409 names the sync log that isn't finished.
    """
    log = await request.service(Syncs).start_sync(request.tenant, datasource, _asked(request))
    return Accepted(SyncLogView.model_validate(log), f"/sync-logs/{log.id}")


@operation(
    "POST",
    "/datasources/{datasource}/scan",
    body=ScanRequest,
    returns=SyncLogView,
    scopes=["catalog:scan"],
    errors=(*_START_ERRORS, DatabaseUnknown),
    idempotent=True,
)
async def start_scan(
    request: Request, datasource: DatasourceId, body: ScanRequest | None = None
) -> Accepted[SyncLogView]:
    """Scan a datasource: level 2.

    Reads tables, fields, keys, indexes, constraints, comments, row estimates and sizes of the chosen
    databases, or of all that may be entered. Tables that a pattern leaves out stay as they are.
    """
    wanted = body or ScanRequest()
    log = await request.service(Syncs).start_scan(request.tenant, datasource, wanted, _asked(request))
    return Accepted(SyncLogView.model_validate(log), f"/sync-logs/{log.id}")


@operation("GET", "/sync-logs", query=SyncLogQuery, returns=Page[SyncLogView], scopes=["catalog:read"])
async def list_sync_logs(request: Request, query: SyncLogQuery) -> Page[SyncLogView]:
    """List syncs and scans, the newest first."""
    page = await request.service(Syncs).newest(request.tenant, query)
    return Page(items=[SyncLogView.model_validate(log) for log in page.items], next_cursor=page.next_cursor)


@operation(
    "GET",
    "/sync-logs/{sync_log}",
    returns=SyncLogDetail,
    scopes=["catalog:read"],
    errors=[SyncLogUnknown],
)
async def get_sync_log(request: Request, sync_log: UUID) -> SyncLogDetail:
    """Show a sync or scan, with the objects that could not be read."""
    return SyncLogDetail.model_validate(await request.service(Syncs).get(request.tenant, sync_log))


@operation(
    "GET",
    "/sync-logs/{sync_log}/events",
    query=SyncEventQuery,
    returns=Page[SyncEventView],
    also=[EVENT_STREAM],
    scopes=["catalog:read"],
    errors=[SyncLogUnknown],
)
async def sync_events(
    request: Request, sync_log: UUID, query: SyncEventQuery
) -> Page[SyncEventView] | web.StreamResponse:
    """List or follow the events of a sync or scan.

    With `Accept: text/event-stream` they are sent as they happen (server-sent events), from the one after
    `Last-Event-ID` or `after`, each once and in order; the stream ends with `finished`. Else they are a list.
    """
    syncs = request.service(Syncs)
    after = max(query.after, min(request.last_event_id or 0, MAX_SEQ))
    await syncs.get(request.tenant, sync_log)
    if request.wants_stream:
        return await sse.stream(request, _followed(request, syncs, sync_log, after=after))
    if query.cursor is not None:
        after = max(after, min(decode_cursor(query.cursor, int)[0], MAX_SEQ))
    found = await syncs.events(request.tenant, sync_log, after=after, limit=query.limit + 1)
    items = [SyncEventView.model_validate(event) for event in found[: query.limit]]
    more = len(found) > query.limit
    return Page(items=items, next_cursor=encode_cursor(items[-1].seq) if more else None)


@operation(
    "POST",
    "/sync-logs/{sync_log}/cancel",
    returns=SyncLogView,
    scopes=["catalog:scan"],
    errors=[SyncLogUnknown, NotCancellable],
)
async def cancel_sync(request: Request, sync_log: UUID) -> Accepted[SyncLogView]:
    """Cancel a sync or scan.

    A queued one is over at once, a running one within seconds; what it has stored until then stays.
    """
    log = await request.service(Syncs).cancel(request.tenant, sync_log)
    return Accepted(SyncLogView.model_validate(log), f"/sync-logs/{log.id}")


async def _followed(
    request: Request, syncs: Syncs, sync_log: UUID, *, after: int
) -> AsyncIterator[sse.Event]:
    async with aclosing(syncs.follow(request.tenant, sync_log, after=after)) as found:
        async for event in found:
            data = SyncEventView.model_validate(event).model_dump(mode="json")
            yield sse.Event(event.seq, event.type, data)


def _asked(request: Request) -> Asked:
    return Asked(by=request.principal.subject, idempotency_key=request.idempotency_key)
