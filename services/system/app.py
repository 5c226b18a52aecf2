"""System as an application: tenants, users, tokens, resources, audit."""

from collections.abc import Sequence
from types import ModuleType
from typing import Final

from aiohttp import web

import services.system.audit.api
import services.system.resources.api
import services.system.roles.api
import services.system.sessions.api
import services.system.tenants.api
import services.system.users.api
from services.system.settings import SystemSettings
from services.system.wiring import wire
from shared.bus.port import Bus
from shared.http import app
from shared.version import VERSION

NAME: Final = "system"
TITLE: Final = "System"
PREFIX: Final = "/api/system/v1"
FEATURES: Final[Sequence[ModuleType]] = (
    services.system.sessions.api,
    services.system.users.api,
    services.system.roles.api,
    services.system.tenants.api,
    services.system.resources.api,
    services.system.audit.api,
)


def build_app(settings: SystemSettings, *, bus: Bus | None = None) -> web.Application:
    """The application, for a database that is migrated and prepared (see `bootstrap.prepare`)."""
    wired = wire(settings, bus)
    watch = wired.watch

    async def close() -> None:
        wired.passwords.close()
        await wired.database.close()

    return app.build_app(
        NAME,
        title=TITLE,
        prefix=PREFIX,
        features=FEATURES,
        services=wired.services,
        verifier=wired.verifier,
        version=VERSION,
        backgrounds=wired.backgrounds,
        on_close=[close],
        readiness={"database": wired.database.ping} | ({"bus": watch.ready} if watch else {}),
        watched={"bus": watch.works} if watch else {},
        trusted_proxies=settings.trusted_proxies,
    )
