"""`python -m services.etl`: the ETL service in a process of its own, with a runner unless told otherwise."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError

from services.etl.app import NAME, build_app
from services.etl.settings import EtlSettings
from shared.config.base import describe_problems
from shared.db import migrations
from shared.db.session import Database
from shared.http.app import build_root
from shared.http.server import serving
from shared.observe import logs
from shared.process import main as process

_log = logs.get(__name__)


def main() -> None:
    """Run the service until a signal ends it."""
    logs.configure(NAME)
    try:
        settings = EtlSettings()
    except ValidationError as error:
        sys.exit(describe_problems(error, EtlSettings))
    process.run(lambda: _running(settings))


@asynccontextmanager
async def _running(settings: EtlSettings) -> AsyncIterator[None]:
    await _ready(settings)
    async with serving(build_root(build_app(settings)), host=settings.host, port=settings.port) as address:
        _log.info("listening", host=address[0], port=address[1])
        yield


async def _ready(settings: EtlSettings) -> None:
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, pool_size=1)
    try:
        await migrations.ensure_current(database, settings.database_url, NAME, migrate=settings.migrate)
    finally:
        await database.close()


if __name__ == "__main__":
    main()
