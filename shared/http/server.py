"""Serving an application on a socket, with problem documents for what aiohttp answers by itself."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from shared.errors import Unavailable
from shared.http import problems
from shared.http.edge import SECURITY_HEADERS
from shared.identifiers import uuid7
from shared.observe import logs

SHUTDOWN_SECONDS: Final = 10.0
"""How long requests that are being answered may take after the stop; streams end at once."""
_CONNECTIONS: Final[Mapping[str, Any]] = {
    "access_log": None,
    "keepalive_timeout": 75.0,
    # How long the rest of a refused body is read, so that the client gets to see the refusal.
    "lingering_time": 2.0,
}
_BACKLOG: Final = 512
_ROUNDS: Final = 10
_LOOK_SECONDS: Final = 0.01
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_log = logs.get(__name__)


class AddressInUse(Unavailable):
    """Port {port} of {host} is taken by another program: set PENSTOCK_PORT to a free one (0 takes any)."""


class AddressUnusable(Unavailable):
    """Penstock can't listen on {host}, port {port}: {reason}. PENSTOCK_HOST and PENSTOCK_PORT change it."""


class Runner(web.AppRunner):
    """An AppRunner for our applications: no access log of its own, problems for malformed HTTP."""

    def __init__(self, app: web.Application, *, shutdown_timeout: float = SHUTDOWN_SECONDS) -> None:
        super().__init__(app, shutdown_timeout=shutdown_timeout, **_CONNECTIONS)

    async def _make_server(self) -> web.Server:
        # The one place where aiohttp lets an application choose its protocol class.
        made = await super()._make_server()
        return _Server(
            _without_http_exceptions(made.request_handler),
            request_factory=made.request_factory,
            loop=asyncio.get_running_loop(),
            **_CONNECTIONS,
        )


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens already; port 0 takes a free one. Raises AddressInUse and AddressUnusable."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(host=host, port=port) from error
        raise AddressUnusable(host=host, port=port, reason=error.strerror) from error


@asynccontextmanager
async def serving(
    app: web.Application,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    sock: socket.socket | None = None,
    shutdown_timeout: float = SHUTDOWN_SECONDS,
    drain: float = 0.0,
) -> AsyncIterator[tuple[str, int]]:
    """Serve an application as long as the block is open; gives the address that it listens on.

    A socket that is bound already comes as `sock`; port 0 takes a free one. At the end connections that are
    idle are closed; with `drain` not before so many seconds have been given to those that came just now.
    """
    runner = Runner(app, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    listener = bound(host, port) if sock is None else sock
    try:
        await web.SockSite(runner, listener).start()
        address = runner.addresses[0]
        yield address[0], address[1]
    finally:
        await _accept_no_more(listener)
        await _drained(runner, drain)
        await runner.cleanup()
        listener.close()


async def _accept_no_more(listener: socket.socket) -> None:
    """A connection that was accepted in this moment must be known to the server before it is closed.

    asyncio makes its transport a round of the loop later, and when the server is closed by then, it is
    neither answered nor closed (`Server._attach` fails silently, CPython 3.11 to 3.13).
    """
    asyncio.get_running_loop().remove_reader(listener.fileno())
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


async def _drained(runner: Runner, seconds: float) -> None:
    """Wait for the end of all connections, if only so long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while runner.server and runner.server.connections and loop.time() < deadline:  # noqa: ASYNC110 - aiohttp tells nobody
        await asyncio.sleep(_LOOK_SECONDS)


def _without_http_exceptions(handler: Handler) -> Handler:
    """What aiohttp raises outside of all middlewares, such as 417 for an unknown Expect, as a problem."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as exception:
            return _problem(exception.status)

    return handle


def _problem(status: int) -> web.Response:
    request_id = uuid7().hex
    _log.info("request_malformed", status=status, request_id=request_id)
    answer = problems.response(problems.of_status(status, instance="/", request_id=request_id))
    answer.headers.update(SECURITY_HEADERS | {"Server": "penstock", "X-Request-Id": request_id})
    answer.force_close()
    return answer


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Protocol(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it repeats what was sent
    ) -> web.StreamResponse:
        """Answer what is not HTTP, or what no handler has caught; the connection is closed."""
        if exc is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request_crashed", error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        return _problem(status)
