"""Server-sent events: numbered, resumable, and never open for longer than the caller may listen."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from shared.errors import PenstockError
from shared.http import problems
from shared.http.request import Request
from shared.http.responses import EVENT_STREAM
from shared.observe import logs

HEARTBEAT: Final = 15.0
CHECK_SECONDS: Final = 1.0
"""How often a silent stream looks whether its caller may still listen."""
WRITE_SECONDS: Final = 10.0
"""How long a client may take to accept what was written, before it is dropped."""
_RETRY: Final = b"retry: 2000\n\n"
_BEAT: Final = b": still here\n\n"
_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is what a client that resumes sends as Last-Event-ID."""

    id: int
    type: str
    data: Mapping[str, Any]

    def encode(self) -> bytes:
        """The event on the wire; JSON keeps its data on one line."""
        if not _TYPE.fullmatch(self.type):
            raise ValueError(f"{self.type!r} is no type of an event")
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), default=str)
        return f"id: {self.id}\nevent: {self.type}\ndata: {data}\n\n".encode("utf-8", "replace")


async def stream(
    request: Request, events: AsyncIterator[Event], *, heartbeat: float = HEARTBEAT
) -> web.StreamResponse:
    """Send events as they come, a comment after `heartbeat` seconds of silence.

    Ends when the events do, within two seconds of the caller's token expiring or being revoked, when the
    service stops, and when the client is gone or too slow; the iterator is closed in each case. An error
    of the iterator is sent as an event of type `problem`. What the caller may not see has to be refused
    before: the answer begins here.
    """
    response = web.StreamResponse(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
    response.content_type = EVENT_STREAM.type
    response.charset = "utf-8"
    response.enable_chunked_encoding()
    await response.prepare(request.raw)
    pending = _Pending(events, request, heartbeat)
    try:
        await _write(response, _RETRY)
        while (chunk := await pending.next()) is not None:
            await _write(response, chunk)
        await _write(response, b"", last=True)
    except (ConnectionError, TimeoutError):
        _log.info("stream_dropped", operation=request.raw.rel_url.raw_path)
        if request.raw.transport is not None:
            request.raw.transport.abort()
    finally:
        await pending.close()
    return response


async def _write(response: web.StreamResponse, chunk: bytes, *, last: bool = False) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        if last:
            await response.write_eof()
        else:
            await response.write(chunk)


class _Pending:
    """The next thing to write: an event, a heartbeat, or None for the end."""

    def __init__(self, events: AsyncIterator[Event], request: Request, heartbeat: float) -> None:
        self._events = events
        self._request = request
        self._heartbeat = heartbeat
        self._next: asyncio.Task[Event | None] | None = None
        self._stop = asyncio.ensure_future(request.stopping.wait())
        self._failed = False

    async def next(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._heartbeat
        while self._may_go_on():
            if self._next is None:
                self._next = asyncio.ensure_future(anext(self._events, None))
            patience = min(CHECK_SECONDS, max(0.0, beat_at - loop.time()))
            await asyncio.wait(
                {self._next, self._stop}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            if self._next.done():
                finished, self._next = self._next, None
                return self._encoded(finished)
            if loop.time() >= beat_at:
                return _BEAT
        return None

    def _may_go_on(self) -> bool:
        return not self._failed and not self._request.stopping.is_set() and self._request.may_go_on

    def _encoded(self, finished: asyncio.Task[Event | None]) -> bytes | None:
        try:
            event = finished.result()
        except PenstockError as error:
            self._failed = True
            return self._problem(error)
        return None if event is None else event.encode()

    def _problem(self, error: PenstockError) -> bytes:
        document = problems.problem(
            error,
            status=problems.status_of(type(error), problems.BASE_STATUSES),
            instance=self._request.raw.rel_url.raw_path,
            request_id=self._request.id,
        )
        return f"event: problem\ndata: {document.model_dump_json()}\n\n".encode()

    async def close(self) -> None:
        self._stop.cancel()
        tasks: list[asyncio.Future[Any]] = [self._stop]
        if self._next is not None:
            self._next.cancel()
            tasks.append(self._next)
        await asyncio.gather(*tasks, return_exceptions=True)
        closing = getattr(self._events, "aclose", None)
        if closing is not None:
            await closing()
