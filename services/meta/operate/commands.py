"""Meta's command line for operators; `manage.py` shows what it prints as tables."""

import argparse
from collections.abc import Callable, Sequence

from services.meta import wiring
from services.meta.clients import SystemClient
from services.meta.settings import MetaSettings
from shared.contracts.resources import Chosen
from shared.process import command
from shared.process.command import Report

from .databases import Databases


def run(settings: Callable[[], MetaSettings], arguments: Sequence[str], *, prog: str) -> int:
    """Carry out the command that the arguments name; the exit status."""
    given = _parser(prog).parse_args(arguments)
    return command.run(lambda: _check_databases(settings(), Chosen(given.tenant, given.resource)))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="Look at what the resources lead to.")
    commands = parser.add_subparsers(dest="command", required=True)
    databases = commands.add_parser("check-dbs", help="list the databases of each server")
    databases.add_argument("--tenant", help="only the resources of this tenant, by its slug")
    databases.add_argument("--resource", help="only resources of this name")
    return parser


async def _check_databases(settings: MetaSettings, chosen: Chosen) -> Report:
    client = wiring.client_of(settings)
    try:
        databases = Databases(
            SystemClient(client), wiring.scanners_found(), surroundings=wiring.surroundings_of(settings)
        )
        found = await databases.check(chosen)
    finally:
        await client.close()
    return Report(found, all(server.is_well for server in found))
