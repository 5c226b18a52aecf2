"""`python -m services.etl`: the ETL service in a process of its own, with a runner unless told otherwise."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.etl.app import NAME, PREFIX, build_app
from services.etl.settings import EtlSettings
from shared.bus.opening import bus_of
from shared.bus.port import Bus
from shared.config.base import load
from shared.db.waiting import until_current
from shared.http.app import Application, build_root
from shared.http.opening import Wanted, opened
from shared.observe import logs
from shared.process import main as process


def main() -> None:
    """Run the service until a signal ends it."""
    logs.configure(NAME)
    process.run(_running)


@asynccontextmanager
async def _running() -> AsyncIterator[None]:
    settings = load(EtlSettings)
    logs.configure(NAME, level=settings.log_level)
    async with bus_of(settings.bus_address, name=NAME) as bus:
        prepare = partial(_prepared, settings, bus)
        async with opened(NAME, prepare, host=settings.host, port=settings.port, prefix=PREFIX):
            yield


async def _prepared(settings: EtlSettings, bus: Bus, wanted: Wanted) -> Application:
    application = build_root(build_app(settings, bus=bus))
    await until_current(settings.database_url, NAME, migrate=settings.migrate, tell=wanted.tell)
    return application


if __name__ == "__main__":
    main()
