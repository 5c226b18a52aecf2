"""What a process says about all the services in it."""

from collections.abc import Iterable, Sequence

from aiohttp import web

from shared.http import edge
from shared.http.health import Health
from shared.http.metrics import HttpMetrics, together


def routes(healths: Sequence[Health], metrics: Sequence[HttpMetrics]) -> Iterable[web.RouteDef]:
    """Health and metrics at the root of a server, for whoever starts and watches the process."""
    services = [one.service for one in healths]

    async def live(request: web.Request) -> web.Response:
        request[edge.OPERATION], request[edge.ROUTINE] = "live", True
        return web.json_response({"status": "ok", "services": services})

    async def ready(request: web.Request) -> web.Response:
        request[edge.OPERATION], request[edge.ROUTINE] = "ready", True
        for one in healths:
            await one.ensure_ready()
        away = dict.fromkeys(name for one in healths for name in one.away)
        return web.json_response({"status": "ok", "services": services, "away": list(away)})

    async def exposition(request: web.Request) -> web.Response:
        request[edge.OPERATION], request[edge.ROUTINE] = "metrics", True
        return web.Response(text=together(one.registry for one in metrics))

    return [
        web.get("/health/live", live, allow_head=False),
        web.get("/health/ready", ready, allow_head=False),
        web.get("/metrics", exposition, allow_head=False),
    ]
