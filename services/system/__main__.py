"""`python -m services.system`: System in a process of its own, and its command line."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import ValidationError

from services.system.app import NAME, build_app
from services.system.bootstrap import prepare
from services.system.passwords_reset import reset_password
from services.system.settings import SystemSettings
from shared.config.base import describe_problems
from shared.db import migrations
from shared.db.session import Database
from shared.errors import PenstockError
from shared.http.app import build_root
from shared.http.server import serving
from shared.observe import logs
from shared.process import main as process

_log = logs.get(__name__)


def main() -> None:
    """Run the service, or the command that was given."""
    arguments = _arguments()
    logs.configure(NAME)
    try:
        settings = SystemSettings()
    except ValidationError as error:
        sys.exit(describe_problems(error, SystemSettings))
    if arguments.command == "reset-password":
        _reset(settings, arguments.user, arguments.tenant)
    else:
        process.run(lambda: _running(settings))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.system", description="Run the service System.")
    commands = parser.add_subparsers(dest="command")
    reset = commands.add_parser("reset-password", help="give a user a new random password and print it")
    reset.add_argument("user")
    reset.add_argument("--tenant", help="the tenant's slug; without it as at login")
    return parser.parse_args()


def _reset(settings: SystemSettings, user: str, tenant: str | None) -> None:
    process.strip_environment()
    try:
        password = asyncio.run(reset_password(settings, user, tenant=tenant))
    except PenstockError as error:
        sys.exit(str(error))
    sys.stdout.write(f"The new password of {user}: {password}\n")


@asynccontextmanager
async def _running(settings: SystemSettings) -> AsyncIterator[None]:
    await _ready(settings)
    async with serving(build_root(build_app(settings)), host=settings.host, port=settings.port) as address:
        _log.info("listening", host=address[0], port=address[1])
        yield


async def _ready(settings: SystemSettings) -> None:
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(settings.database_url, pool_size=1)
    try:
        await migrations.ensure_current(database, settings.database_url, NAME, migrate=settings.migrate)
    finally:
        await database.close()
    first = await prepare(settings)
    if first.passwords is not None:
        _log.info("first_passwords", written_to=str(first.passwords))


if __name__ == "__main__":
    main()
