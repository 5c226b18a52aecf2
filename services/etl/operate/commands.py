"""The ETL service's command line for operators; `manage.py` shows what it prints in lines."""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from services.etl.clients import SystemClient
from services.etl.settings import EtlSettings
from services.etl.tables.ghosts.inspecting import Inspecting
from services.etl.tables.ghosts.repairing import Repairing
from services.etl.wiring import Wired, wire
from shared.bus.memory import MemoryBus
from shared.contracts.connection import ResourceSummary
from shared.contracts.resources import Chosen
from shared.process import command
from shared.process.command import Report

from .fixing import Fixing, Wish
from .inspecting import inspect, resources_of

NAMES: Final = ("inspect-tables", "fix-tables")

_Work = Callable[[Wired, Sequence[ResourceSummary]], Awaitable[Report]]


def run(settings: Callable[[], EtlSettings], arguments: Sequence[str], *, prog: str) -> int:
    """Carry out the command that the arguments name; the exit status."""
    given = _parser(prog).parse_args(arguments)
    work = _inspected if given.command == "inspect-tables" else _fixing(given)
    return command.run(lambda: _with_everything(settings(), Chosen(given.tenant, given.resource), work))


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=prog, description="Look after data tables.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in zip(NAMES, ("look at each data table", "repair ghosts"), strict=True):
        adding = commands.add_parser(name, help=said)
        adding.add_argument("--tenant", help="only this tenant, by its slug")
        adding.add_argument("--resource", help="only resources of this name")
    adding.add_argument("--table", action="append", default=[], help="only this one, by a name or its id")
    adding.add_argument("--action", choices=("recreate", "adopt", "draft"), default="recreate")
    adding.add_argument("--yes", action="store_true", help="carry the plans out")
    adding.add_argument("--confirm", action="append", default=[], help="a table whose values may go")
    return parser


def _fixing(given: argparse.Namespace) -> _Work:
    wish = Wish(given.action, tuple(given.table), really=given.yes, confirmed=frozenset(given.confirm))

    async def fix(wired: Wired, resources: Sequence[ResourceSummary]) -> Report:
        fixing = Fixing(wired.services.get(Inspecting), wired.services.get(Repairing))
        found = await fixing.fix(resources, wish)
        return Report(found, all(repair.is_well for repair in found))

    return fix


async def _inspected(wired: Wired, resources: Sequence[ResourceSummary]) -> Report:
    found = await inspect(resources, wired.services.get(Inspecting))
    return Report(found, found.is_well)


async def _with_everything(settings: EtlSettings, chosen: Chosen, work: _Work) -> Report:
    """The service's own objects, beside those of a running service: none of its backgrounds runs here."""
    wired = wire(settings, MemoryBus())
    try:
        return await work(wired, await resources_of(SystemClient(wired.client), chosen))
    finally:
        await wired.client.close()
        await wired.database.close()
