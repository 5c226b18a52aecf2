"""`python -m services.system`: System in a process of its own, and its command line."""

import argparse
import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from functools import partial

from services.system import bootstrap
from services.system.app import NAME, PREFIX, build_app
from services.system.passwords_reset import reset_password
from services.system.settings import SystemSettings
from shared.bus.port import Bus
from shared.config.base import load
from shared.db.waiting import until_current
from shared.errors import PenstockError
from shared.http.app import Application, build_root
from shared.http.opening import Wanted, running
from shared.observe import logs
from shared.process import main as process

_log = logs.get(__name__)


def main() -> None:
    """Run the service, or the command that was given."""
    arguments = _arguments()
    logs.configure(NAME)
    if arguments.command == "reset-password":
        _reset(arguments.user, arguments.tenant)
    else:
        process.run(_running)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.system", description="Run the service System.")
    commands = parser.add_subparsers(dest="command")
    reset = commands.add_parser("reset-password", help="give a user a new random password and print it")
    reset.add_argument("user")
    reset.add_argument("--tenant", help="the tenant's slug; without it as at login")
    return parser.parse_args()


def _reset(user: str, tenant: str | None) -> None:
    process.strip_environment()
    try:
        password = asyncio.run(reset_password(load(SystemSettings), user, tenant=tenant))
    except PenstockError as error:
        sys.exit(str(error))
    sys.stdout.write(f"The new password of {user}: {password}\n")


def _running() -> AbstractAsyncContextManager[None]:
    settings = load(SystemSettings)
    return running(NAME, settings, partial(_prepared, settings), prefix=PREFIX)


async def _prepared(settings: SystemSettings, bus: Bus, wanted: Wanted) -> Application:
    async def begin() -> None:
        first = await bootstrap.prepare(settings)
        if first.passwords is not None:
            _log.info("first_passwords", written_to=str(first.passwords))

    await until_current(settings.database_url, NAME, migrate=settings.migrate, tell=wanted.tell, then=begin)
    return build_root(build_app(settings, bus=bus))


if __name__ == "__main__":
    main()
