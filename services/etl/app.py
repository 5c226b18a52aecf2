"""The ETL service as an application: files, data tables, tasks, previews, runs."""

from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import Final

from aiohttp import web

import services.etl.catalogue.api
import services.etl.files.api
import services.etl.previews.api
import services.etl.runs.api
import services.etl.runs.rejected.api
import services.etl.suggestions.api
import services.etl.tables.api
import services.etl.tables.changing.api
import services.etl.tables.ghosts.api
import services.etl.tables.plans.api
import services.etl.tables.revisions.api
import services.etl.tasks.api
from services.etl.settings import EtlSettings
from services.etl.tables.changing.workshop import Workshop
from services.etl.wiring import Wired, wire
from shared.bus.memory import MemoryBus
from shared.bus.port import Bus
from shared.http import app
from shared.version import VERSION

NAME: Final = "etl"
TITLE: Final = "ETL"
PREFIX: Final = "/api/etl/v1"
FEATURES: Final[Sequence[ModuleType]] = (
    services.etl.catalogue.api,
    services.etl.files.api,
    services.etl.previews.api,
    services.etl.tables.api,
    services.etl.suggestions.api,
    services.etl.tables.plans.api,
    services.etl.tables.changing.api,
    services.etl.tables.ghosts.api,
    services.etl.tables.revisions.api,
    services.etl.tasks.api,
    services.etl.runs.api,
    services.etl.runs.rejected.api,
)


def build_app(settings: EtlSettings, *, bus: Bus | None = None) -> web.Application:
    """The application, for a database that is migrated. Without a bus it has one of its own."""
    wired = wire(settings, bus or MemoryBus())
    made = app.build_app(
        NAME,
        title=TITLE,
        prefix=PREFIX,
        features=FEATURES,
        services=wired.services,
        verifier=wired.verifier,
        version=VERSION,
        backgrounds=wired.backgrounds,
        on_close=[
            wired.database.close,
            wired.client.close,
            wired.meta.close,
            *(executor.close for executor in wired.executors),
        ],
        readiness={"database": wired.database.ping, "system": wired.keys.ready, "bus": wired.watch.ready},
        watched={"bus": wired.watch.works},
        trusted_proxies=settings.trusted_proxies,
    )
    # Before the backgrounds, which want to execute at once.
    made.on_startup.insert(0, _starting(wired))
    made.on_shutdown.append(_ending(wired))
    return made


def _starting(wired: Wired) -> Callable[[web.Application], Awaitable[None]]:
    async def start(_: web.Application) -> None:
        for executor in wired.executors:
            await executor.start()

    return start


def _ending(wired: Wired) -> Callable[[web.Application], Awaitable[None]]:
    """The server waits for its open requests: those that wait for a change or a preview would take long."""

    async def end(_: web.Application) -> None:
        wired.services.get(Workshop).end()
        await wired.previewer.close()

    return end
