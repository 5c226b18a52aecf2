"""Meta as an application: datasources, syncs and scans, the catalog."""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

from aiohttp import web

import services.meta.catalog.api
import services.meta.datasources.api
import services.meta.sync.api
from services.meta.settings import MetaSettings
from services.meta.wiring import wire
from shared.bus.port import Bus
from shared.http import app
from shared.version import VERSION

NAME: Final = "meta"
TITLE: Final = "Meta"
PREFIX: Final = "/api/meta/v1"
FEATURES: Final[Sequence[ModuleType]] = (
    services.meta.datasources.api,
    services.meta.sync.api,
    services.meta.catalog.api,
)


def build_app(settings: MetaSettings, *, bus: Bus) -> web.Application:
    """The application, for a database that is migrated."""
    wired = wire(settings, bus)
    return app.build_app(
        NAME,
        title=TITLE,
        prefix=PREFIX,
        features=FEATURES,
        services=wired.services,
        verifier=wired.verifier,
        version=VERSION,
        backgrounds=wired.backgrounds,
        on_close=[wired.database.close, wired.client.close],
        readiness={"database": wired.database.ping, "keys": wired.keys.ready, "bus": wired.watch.ready},
        watched={"bus": wired.watch.works},
        trusted_proxies=settings.trusted_proxies,
    )
