"""`python -m services.meta`: Meta in a process of its own.

Messages stay inside the process: news of resources come by asking System, which takes a little longer.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.meta.app import NAME, build_app
from services.meta.settings import MetaSettings
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.config.base import load
from shared.db import migrations
from shared.db.session import Database
from shared.http.app import build_root
from shared.http.server import serving
from shared.observe import logs
from shared.process import main as process

_log = logs.get(__name__)


def main() -> None:
    """Run the service until a signal."""
    logs.configure(NAME)
    process.run(_running)


@asynccontextmanager
async def _running() -> AsyncIterator[None]:
    settings = load(MetaSettings)
    await _migrated(settings)
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    application = build_root(build_app(settings, bus=bus))
    async with serving(application, host=settings.host, port=settings.port) as address:
        _log.info("listening", host=address[0], port=address[1])
        yield
    await bus.close()


async def _migrated(settings: MetaSettings) -> None:
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, pool_size=1)
    try:
        await migrations.ensure_current(database, settings.database_url, NAME, migrate=settings.migrate)
    finally:
        await database.close()


if __name__ == "__main__":
    main()
