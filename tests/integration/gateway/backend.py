"""A service behind the gateway that writes down what reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

OWN_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Backend:
    """`arrived` is set by the first bytes of an upload; a stream sends what is put into `events`."""

    address: str
    seen: list[Seen] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    events: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/events"):
            return await self._stream(request)
        body = b""
        async for chunk in request.content.iter_any():
            self.arrived.set()
            body += chunk
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.method, request.raw_path, headers, body))
        if request.path.endswith("/refused"):
            return web.json_response({"code": "ours"}, status=503, content_type="application/problem+json")
        own_id = {"X-Request-Id": headers.get("x-request-id", "")}
        return web.json_response({"at": self.address}, headers=OWN_HEADERS | own_id)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while (event := await self.events.get()) is not None:
            await response.write(f"data: {event}\n\n".encode())
        return response


@asynccontextmanager
async def serving(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Backend]:
    """A backend that listens until the end of the block."""
    app = web.Application(client_max_size=0)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    backend = Backend("")
    app.router.add_route("*", "/{anything:.*}", backend.handle)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        backend.address = f"{bound[0]}:{bound[1]}"
        yield backend
    finally:
        await runner.cleanup()
