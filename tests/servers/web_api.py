"""A small HTTP API for tests, in a thread of its own, which keeps what it was asked."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    moment: float


@dataclass
class WebApi:
    """An API below `url`: `answer` says what it answers."""

    url: str = ""
    answer: Answer | None = None
    asked: list[Asked] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        body = await request.json() if request.can_read_body else None
        headers = dict(request.headers)
        moment = asyncio.get_running_loop().time()
        self.asked.append(Asked(request.method, request.path, dict(request.query), headers, body, moment))
        assert self.answer is not None
        return await self.answer(request)


@contextmanager
def serving() -> Iterator[WebApi]:
    """A running API on a free port of this machine."""
    api, loop = WebApi(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="api", daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(_started(api), loop).result(10)
    try:
        yield api
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _started(api: WebApi) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    return runner
