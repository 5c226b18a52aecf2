"""What every service says about itself: alive, ready, its metrics, its OpenAPI document."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from shared.errors import Unavailable
from shared.http.metrics import HttpMetrics
from shared.http.operation import PUBLIC, operation
from shared.http.request import Request
from shared.http.responses import PLAIN_TEXT
from shared.observe import logs
from shared.process.waiting import Trouble

Check = Callable[[], Awaitable[None]]
Watch = Callable[[], bool]

_TIMEOUT: Final = 3.0
_log = logs.get(__name__)


class HealthView(BaseModel):
    """A service that answers."""

    status: Literal["ok"] = "ok"
    service: str
    release: str
    away: list[str] = Field(
        default=[], description="What can't be reached right now, and what the service can do without."
    )


class NotReady(Unavailable):
    """The service is not ready: {what} can't be reached right now."""


class Health:
    """The checks of a service, by the name of what is checked; a check raises when it fails.

    `watched` is what the service can do without for a while: whether it works is told, and changes nothing.
    """

    def __init__(
        self, service: str, release: str, checks: Mapping[str, Check], watched: Mapping[str, Watch]
    ) -> None:
        self.service = service
        self.document: Mapping[str, Any] = {}
        self._release = release
        self._checks = checks
        self.watched = watched
        self._stopping = False
        self._troubles = {name: Trouble() for name in checks}

    @property
    def view(self) -> HealthView:
        """What the service says about itself now."""
        return HealthView(service=self.service, release=self._release, away=self.away)

    @property
    def away(self) -> list[str]:
        """What doesn't work right now of what the service can do without."""
        return [name for name, works in self.watched.items() if not works()]

    def stop(self) -> None:
        """From now on the service is not ready: it is about to go."""
        self._stopping = True

    async def ensure_ready(self) -> None:
        """Run all checks, side by side. NotReady names those that failed, not why."""
        if self._stopping:
            raise NotReady(what="it is stopping and nothing")
        names = list(self._checks)
        found = await asyncio.gather(*(self._passes(name) for name in names))
        failed = [name for name, passed in zip(names, found, strict=True) if not passed]
        if failed:
            raise NotReady(what=", ".join(failed))

    async def _passes(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._checks[name]()
        except Exception as error:  # noqa: BLE001 - whatever a check raises means: not ready
            if self._troubles[name].is_news(type(error).__name__):
                _log.warning("not_ready", check=name, error=type(error).__name__)
            return False
        if self._troubles[name].over():
            _log.info("ready_again", check=name)
        return True


@operation("GET", "/health/live", scopes=PUBLIC, tags=["service"], returns=HealthView)
async def live(request: Request) -> HealthView:
    """Tell that the process answers."""
    return request.service(Health).view


@operation("GET", "/health/ready", scopes=PUBLIC, tags=["service"], returns=HealthView, errors=[NotReady])
async def ready(request: Request) -> HealthView:
    """Tell whether the service can do its work.

    Everything that it needs is asked: its database, the keys of tokens. The message bus must have been
    reached once; without it messages wait, which `away` tells.
    """
    health = request.service(Health)
    await health.ensure_ready()
    return health.view


@operation("GET", "/metrics", scopes=PUBLIC, tags=["service"], returns=PLAIN_TEXT)
async def metrics(request: Request) -> str:
    """Return the metrics in the Prometheus text format."""
    return request.service(HttpMetrics).text()


@operation("GET", "/openapi.json", scopes=PUBLIC, tags=["service"], returns=dict[str, Any])
async def openapi_document(request: Request) -> Mapping[str, Any]:
    """Return this document."""
    return request.service(Health).document
