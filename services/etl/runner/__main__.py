"""`python -m services.etl.runner`: a runner in a process of its own, without an API; any number may run."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from services.etl.runner.wiring import wire
from services.etl.settings import RunnerSettings
from shared.bus.port import Bus
from shared.config.base import load
from shared.db.waiting import until_current
from shared.http.app import Application, build_process
from shared.http.opening import Wanted, running
from shared.observe import logs
from shared.process import main as process
from shared.version import VERSION

NAME: Final = "runner"
_DATABASE: Final = "etl"


def main() -> None:
    """Run the runner until a signal ends it."""
    logs.configure(NAME)
    process.run(_running)


def _running() -> AbstractAsyncContextManager[None]:
    settings = load(RunnerSettings)
    return running(NAME, settings, partial(_prepared, settings))


async def _prepared(settings: RunnerSettings, bus: Bus, wanted: Wanted) -> Application:
    wired = wire(settings, bus)
    await until_current(settings.database_url, _DATABASE, migrate=settings.migrate, tell=wanted.tell)
    await wired.executor.start()
    return build_process(
        NAME,
        version=VERSION,
        backgrounds=wired.backgrounds,
        on_close=[wired.database.close, wired.client.close, wired.executor.close],
        readiness={"database": wired.database.ping, "bus": wired.watch.ready},
        watched={"bus": wired.watch.works},
    )


if __name__ == "__main__":
    main()
