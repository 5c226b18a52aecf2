"""Commands that look into databases and data tables; Penstock's own programs do it, this shows the result."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from deploy.supervisor import data_tables, instance, programs, tables
from deploy.supervisor.failure import NOT_RUNNING, CommandFailed
from deploy.supervisor.layout import Layout
from deploy.supervisor.programs import Program

Render = Callable[[Any], list[str]]

_OPTIONS: Final = ("tenant", "resource", "table", "action", "yes", "confirm")
_LEAVE_SECONDS: Final = 15.0
_INTERRUPTED: Final = 130
_DATABASES: Final = ("resource", "database", "size", "tables", "state")


def check_dbs(layout: Layout, arguments: argparse.Namespace) -> int:
    """List the databases of each server with their sizes; exit code 1 when one can't be reached."""
    return _run(layout, "meta", arguments, render=_databases)


def inspect_tables(layout: Layout, arguments: argparse.Namespace) -> int:
    """Look at each data table in its database; exit code 1 for ghosts, orphans and what can't be seen."""
    return _run(layout, "etl", arguments, render=data_tables.inspection)


def fix_tables(layout: Layout, arguments: argparse.Namespace) -> int:
    """Show how ghosts would be repaired, or repair them with --yes; exit code 1 while one is left."""
    code = _run(layout, "etl", arguments, render=data_tables.repairs)
    if code == _INTERRUPTED and arguments.yes:
        print("What was under way may be done in part: `manage.py inspect-tables` tells.", file=sys.stderr)
    return code


def _handed_on(arguments: argparse.Namespace) -> list[str]:
    """The command and its options as the service's program takes them."""
    handed = [arguments.command.__name__.replace("_", "-")]
    for name in _OPTIONS:
        match getattr(arguments, name, None):
            case None | False:
                pass
            case True:
                handed.append(f"--{name}")
            case list(values):
                handed += [f"--{name}={value}" for value in values]
            case value:  # an empty one, too: it must not mean all
                handed.append(f"--{name}={value}")
    return handed


def _run(layout: Layout, service: str, arguments: argparse.Namespace, *, render: Render) -> int:
    """The exit code of a service's program for operators; as JSON it prints by itself."""
    output: str = arguments.output
    module, environment = _program(layout, service)
    with subprocess.Popen(
        [str(layout.python), "-m", module, *_handed_on(arguments)],
        cwd=layout.root,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if output == "text" else None,
        start_new_session=True,
    ) as program:
        printed = _printed(program)
    if printed:
        print("\n".join(render(json.loads(printed))))
    return _INTERRUPTED if program.returncode == -signal.SIGINT else program.returncode


def _printed(program: "subprocess.Popen[str]") -> str | None:
    """What it prints to its end. An interruption is handed on, once: it may have to let go of a table."""
    try:
        return program.communicate()[0]
    except KeyboardInterrupt:
        program.send_signal(signal.SIGINT)
    try:
        return program.communicate(timeout=_LEAVE_SECONDS)[0]
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        program.kill()
        raise KeyboardInterrupt from None


def _program(layout: Layout, service: str) -> tuple[str, Mapping[str, str]]:
    """The module and its environment. Raises CommandFailed when no System runs that it could ask."""
    if programs.is_team(os.environ):
        members = {program.title: program for program in programs.chosen(layout)}
        if not programs.given(os.environ, "SYSTEM_URL"):
            _listening(members["system"])
        return f"services.{service}.operate", members[service].environment
    address = urlsplit(_listening(programs.embedded(layout)))
    place = {"PENSTOCK_HOST": address.hostname or "", "PENSTOCK_PORT": str(address.port)}
    return "services", layout.environment(**place)


def _listening(program: Program) -> str:
    running = instance.find(program.lock)
    if running is None or running.url is None:
        raise CommandFailed(f"{program.title} is not running: `manage.py start` first.", code=NOT_RUNNING)
    return running.url


def _databases(servers: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [row for server in servers for row in _server(server)]
    return tables.lines(_DATABASES, rows) if rows else ["There are no resources."]


def _server(server: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """A line for each database; one for the server alone where none is known."""
    name = f"{server['tenant']}/{server['resource']}"
    found: Sequence[Mapping[str, Any]] = server["databases"]
    if not found:
        return [(name, "", "", "", _state(server))]
    return [
        (name, each["name"], tables.size(each["bytes"]), _count(each["tables"]), _state(each))
        for each in found
    ]


def _state(seen: Mapping[str, Any]) -> str:
    return seen["state"] if seen["reason"] is None else f"{seen['state']}: {seen['reason']}"


def _count(number: int | None) -> str:
    return "" if number is None else str(number)
