"""Opening a service: it listens from the beginning, and says what it waits for until it can work.

Two applications follow each other on one socket, so no connection is refused in between.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, Protocol

from aiohttp import web

from shared.bus.opening import bus_of
from shared.bus.port import Bus
from shared.config.service import ServiceSettings
from shared.errors import Unavailable
from shared.http import edge
from shared.http.server import bound, serving
from shared.observe import logs

_RETRY_SECONDS: Final = 2
_DRAIN_SECONDS: Final = 1.0
_log = logs.get(__name__)


class Starting(Unavailable):
    """The service is starting: it waits for {what}."""

    def problem_headers(self) -> Mapping[str, str]:
        return {"Retry-After": str(_RETRY_SECONDS)}


class Wanted:
    """What a service that is starting waits for."""

    def __init__(self) -> None:
        self.what = "its turn"

    def tell(self, what: str) -> None:
        """It is this that is missing now."""
        self.what = what


class Prepare(Protocol):
    """Makes an application, as soon as everything that it needs is there."""

    def __call__(self, wanted: Wanted, /) -> Awaitable[web.Application]: ...


@asynccontextmanager
async def running(
    name: str,
    settings: ServiceSettings,
    prepare: Callable[[Bus, Wanted], Awaitable[web.Application]],
    *,
    prefix: str = "",
) -> AsyncIterator[None]:
    """A process as its settings have it, as long as the block is open: its log, its bus, and `opened`."""
    logs.configure(name, level=settings.log_level)
    async with (
        bus_of(settings.bus_address, name=name) as bus,
        opened(name, partial(prepare, bus), host=settings.host, port=settings.port, prefix=prefix),
    ):
        yield


@asynccontextmanager
async def opened(
    name: str, prepare: Prepare, *, host: str, port: int, prefix: str = ""
) -> AsyncIterator[tuple[str, int]]:
    """Serve what `prepare` makes as long as the block is open; gives the address that it listens on.

    Until `prepare` has made it, `/health/live` is answered with 200 and everything else with 503: a problem
    that names what is missing, and Retry-After. Raises AddressInUse and AddressUnusable at once.
    """
    async with AsyncExitStack() as stack:
        sock = bound(host, port)
        stack.callback(sock.close)
        address: tuple[str, int] = sock.getsockname()[:2]
        _log.info("listening", host=address[0], port=address[1])
        wanted = Wanted()
        async with serving(_waiting_room(name, prefix, wanted), sock=sock.dup(), drain=_DRAIN_SECONDS):
            application = await prepare(wanted)
            await stack.enter_async_context(serving(application, sock=sock))
        _log.info("opened", host=address[0], port=address[1])
        yield address


def _waiting_room(name: str, prefix: str, wanted: Wanted) -> web.Application:
    async def live(request: web.Request) -> web.Response:
        request[edge.OPERATION], request[edge.ROUTINE] = "live", True
        return web.json_response({"status": "ok", "services": [name]})

    async def refuse(_: web.Request) -> web.Response:
        raise Starting(what=wanted.what)

    room = web.Application(middlewares=[_closing, edge.middleware])
    room.on_response_prepare.append(edge.add_headers)
    for path in dict.fromkeys(("", prefix)):
        room.router.add_get(f"{path}/health/live", live, allow_head=False)
    room.router.add_route("*", "/{path:.*}", refuse)
    return room


@web.middleware
async def _closing(request: web.Request, handler: edge.Handler) -> web.StreamResponse:
    """A connection that was kept would be cut when the service opens, maybe under the next request."""
    answer = await handler(request)
    answer.force_close()
    return answer
