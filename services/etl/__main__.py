"""`python -m services.etl`: the ETL service in a process of its own, with a runner unless told otherwise."""

from contextlib import AbstractAsyncContextManager
from functools import partial

from services.etl.app import NAME, PREFIX, build_app
from services.etl.settings import EtlSettings
from shared.bus.port import Bus
from shared.config.base import load
from shared.db.waiting import until_current
from shared.http.app import Application, build_root
from shared.http.opening import Wanted, running
from shared.observe import logs
from shared.process import main as process


def main() -> None:
    """Run the service until a signal ends it."""
    logs.configure(NAME)
    process.run(_running)


def _running() -> AbstractAsyncContextManager[None]:
    settings = load(EtlSettings)
    return running(NAME, settings, partial(_prepared, settings), prefix=PREFIX)


async def _prepared(settings: EtlSettings, bus: Bus, wanted: Wanted) -> Application:
    application = build_root(build_app(settings, bus=bus))
    await until_current(settings.database_url, NAME, migrate=settings.migrate, tell=wanted.tell)
    return application


if __name__ == "__main__":
    main()
