"""Building a service's application from its features."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import ModuleType
from typing import Final

import prometheus_client
from aiohttp import web

from shared.http import edge, health, openapi, problems, whole
from shared.http.endpoint import Surroundings, handler_of
from shared.http.metrics import HttpMetrics
from shared.http.operation import operations_of
from shared.http.services import Services
from shared.observe.metrics import new_registry
from shared.process.background import Background, Supervisor
from shared.security.tokens import TokenVerifier

Application = web.Application
Close = Callable[[], Awaitable[None]]

HEALTH: Final = web.AppKey("penstock.health", health.Health)
PREFIX: Final = web.AppKey("penstock.prefix", str)


def build_app(
    name: str,
    *,
    prefix: str,
    features: Sequence[ModuleType],
    services: Services,
    verifier: TokenVerifier,
    version: str,
    title: str | None = None,
    backgrounds: Sequence[Background] = (),
    on_close: Sequence[Close] = (),
    readiness: Mapping[str, health.Check] | None = None,
    watched: Mapping[str, health.Watch] | None = None,
    registry: prometheus_client.CollectorRegistry | None = None,
    trusted_proxies: Sequence[str] = (),
) -> web.Application:
    """The application of one service. Its routes are relative to `prefix`: mount it with `build_root`.

    The modules in `features` declare operations with `@operation` and, in STATUS_OF, the status of their
    errors. `readiness` is what the service can't do without, `watched` what it can, for a while.
    `backgrounds` run from start to stop; `on_close` is awaited after them, last one first.
    """
    all_features = (*features, health)
    app = web.Application(middlewares=[edge.middleware])
    known = services.add(health.Health, health.Health(name, version, readiness or {}, watched or {}))
    _describe(app, known, services.add(HttpMetrics, HttpMetrics(registry or new_registry(), name)))
    app[PREFIX] = prefix
    described = {"title": title or name, "prefix": prefix, "version": version}
    known.document = openapi.document(name, features=features, **described)
    surroundings = Surroundings(
        services=services,
        verifier=verifier,
        statuses=problems.statuses_of(all_features),
        prefix=prefix,
        trusted_proxies=edge.TrustedProxies(trusted_proxies),
    )
    for declared in operations_of(all_features):
        app.router.add_route(declared.method, declared.path, handler_of(declared, surroundings))
    _accompany(app, backgrounds, on_close)
    return app


def build_root(*apps: web.Application) -> web.Application:
    """The application that a server serves: each service's application at its own prefix.

    Its own `/health/live`, `/health/ready` and `/metrics` speak for all of them together.
    """
    root = web.Application(middlewares=[edge.middleware])
    root.on_response_prepare.append(edge.add_headers)
    root.add_routes(whole.routes([app[HEALTH] for app in apps], [app[edge.METRICS] for app in apps]))
    for app in apps:
        root.add_subapp(app[PREFIX], app)
    return root


def build_process(
    name: str,
    *,
    version: str,
    backgrounds: Sequence[Background],
    on_close: Sequence[Close],
    readiness: Mapping[str, health.Check],
    watched: Mapping[str, health.Watch],
) -> web.Application:
    """The application of a process without an API: its backgrounds, with health and metrics at the root."""
    app = web.Application(middlewares=[edge.middleware])
    known, metrics = health.Health(name, version, readiness, watched), HttpMetrics(new_registry(), name)
    _describe(app, known, metrics)
    app.add_routes(whole.routes([known], [metrics]))
    _accompany(app, backgrounds, on_close)
    return app


def _describe(app: web.Application, known: health.Health, metrics: HttpMetrics) -> None:
    app[HEALTH] = known
    app[edge.METRICS] = metrics
    app[edge.STOPPING] = asyncio.Event()
    for name, works in known.watched.items():
        metrics.watch(name, works)


def _accompany(app: web.Application, backgrounds: Sequence[Background], on_close: Sequence[Close]) -> None:
    """What goes along with every answer, and with the application from its start to its end."""
    app.on_response_prepare.append(edge.add_headers)
    app.on_shutdown.append(_stop)
    app.cleanup_ctx.append(_lifetime(backgrounds, on_close))


async def _stop(app: web.Application) -> None:
    """Open streams end now; without this aiohttp would wait for them until its timeout."""
    app[HEALTH].stop()
    app[edge.STOPPING].set()


def _lifetime(
    backgrounds: Sequence[Background], on_close: Sequence[Close]
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for close in on_close:
                stack.push_async_callback(close)
            await stack.enter_async_context(Supervisor(*backgrounds))
            yield

    return lifetime
