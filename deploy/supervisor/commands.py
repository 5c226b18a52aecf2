"""The commands of manage.py: each does its work, prints, and returns its exit code."""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.supervisor import besides, instance, lifecycle, programs
from deploy.supervisor import doctor as doctors
from deploy.supervisor import logs as log_lines
from deploy.supervisor import status as picture
from deploy.supervisor.failure import FAILED, NOT_RUNNING, OK, CommandFailed
from deploy.supervisor.instance import Instance
from deploy.supervisor.layout import Layout
from deploy.supervisor.programs import Program


def start(layout: Layout, arguments: argparse.Namespace) -> int:
    """Start Penstock in the background and wait until it is ready."""
    _refuse_strangers(layout)
    wanted = _to_start(layout, arguments)
    first, *rest = wanted
    _refuse_other_port(first, arguments.port)
    _refuse_besides(besides.others(layout, wanted))
    _start(first)  # alone: the first start of System makes what the others need
    for begun in [_begin(program) for program in rest]:
        _ready(begun)
    if layout.first_passwords.exists():
        print(f"The first passwords are in {layout.first_passwords}")
    return OK


def stop(layout: Layout, _: argparse.Namespace) -> int:
    """Stop Penstock; what it was doing continues at the next start."""
    stopped = [_stop(program) for program in reversed(_all(layout))]
    if not any(stopped):
        print("Penstock is not running")
    return OK


def restart(layout: Layout, arguments: argparse.Namespace) -> int:
    """Stop Penstock if it is running, then start it; a team one process after the other."""
    wanted = _to_start(layout, arguments)
    for program in besides.others(layout, wanted):
        _stop(program)
    for program in wanted:
        lifecycle.stop(program)
        _start(program)
    return OK


def status(layout: Layout, arguments: argparse.Namespace) -> int:
    """Say whether Penstock is running and ready; exit code 3 when it is not running."""
    seen = [picture.look(program, layout) for program in _all(layout)]
    if arguments.output == "json":
        print(json.dumps(picture.as_json(seen), indent=2))
    else:
        print("\n".join(picture.lines(seen)))
    states = {one.state for one in seen}
    return {frozenset({"ready"}): OK, frozenset({"stopped"}): NOT_RUNNING}.get(frozenset(states), FAILED)


def logs(layout: Layout, arguments: argparse.Namespace) -> int:
    """Show the end of the log; of a team, the log of the process that is named."""
    program = _named(_all(layout), arguments.process)
    for line in log_lines.show(program.log, lines=arguments.lines, follow=arguments.follow):
        print(line, flush=arguments.follow)
    return OK


def migrate(layout: Layout, _: argparse.Namespace) -> int:
    """Bring the databases to the newest schema."""
    lifecycle.refuse_while_running(_all(layout), "migrating")
    return _run(layout, ["services.migrate"] if programs.is_team(os.environ) else ["services", "migrate"])


def reset_password(layout: Layout, arguments: argparse.Namespace) -> int:
    """Give a user a new random password and print it once."""
    tenant = ["--tenant", arguments.tenant] if arguments.tenant else []
    module = "services.system" if programs.is_team(os.environ) else "services"
    return _run(layout, [module, "reset-password", arguments.user, *tenant])


def doctor(layout: Layout, arguments: argparse.Namespace) -> int:
    """Look for what keeps Penstock from working; exit code 1 when something does."""
    findings = list(doctors.examine(layout, dict(os.environ)))
    if arguments.output == "json":
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        print("\n".join(finding.line() for finding in findings))
    return FAILED if any(finding.verdict == "failed" for finding in findings) else OK


def _all(layout: Layout) -> Sequence[Program]:
    """What these settings describe, and what runs besides, which a shell without the settings sees, too."""
    _refuse_strangers(layout)
    ours = programs.chosen(layout)
    return [*ours, *besides.others(layout, ours)]


def _refuse_strangers(layout: Layout) -> None:
    """Who may not look into the folder can't see what runs, and would be told that nothing does."""
    if layout.var.is_dir() and not os.access(layout.var, os.R_OK | os.X_OK):
        raise CommandFailed(f"{layout.var} can't be looked into: be the user who runs Penstock.")


def _refuse_besides(others: Sequence[Program]) -> None:
    if others:
        names = ", ".join(program.title for program in others)
        raise CommandFailed(
            f"With data in the same folder {names} runs, started with other settings than this shell has:"
            " set them, or `manage.py stop` first."
        )


def _to_start(layout: Layout, arguments: argparse.Namespace) -> Sequence[Program]:
    if programs.is_team(os.environ):
        if arguments.port is not None:
            raise CommandFailed(
                "A team has a port for each process: PENSTOCK_SYSTEM_PORT and so on, not --port."
            )
        return programs.chosen(layout)
    return (programs.embedded(layout, port=arguments.port),)


def _refuse_other_port(program: Program, port: int | None) -> None:
    running = instance.find(program.lock)
    if running and running.url and port and not running.url.endswith(f":{port}"):
        raise CommandFailed(
            f"{program.title} is running already: {running.url}; `manage.py restart --port {port}` moves it."
        )


@dataclass(frozen=True)
class _Begun:
    """A process that was there already, or is on its way since then."""

    program: Program
    way: Instance | lifecycle.Started
    since: float


def _start(program: Program) -> None:
    _ready(_begin(program))


def _begin(program: Program) -> _Begun:
    return _Begun(program, instance.find(program.lock) or lifecycle.spawn(program), time.monotonic())


def _ready(begun: _Begun) -> None:
    """Wait for it, and say so."""
    title = begun.program.title
    if isinstance(begun.way, Instance):
        print(f"{title} is running already: {begun.way.url} (process {begun.way.pid})")
        return
    running = lifecycle.until_ready(begun.way)
    seconds = time.monotonic() - begun.since
    print(f"{title} is ready: {running.url} (process {running.pid}, {seconds:.1f} s)", flush=True)


def _stop(program: Program) -> bool:
    stopped = lifecycle.stop(program)
    if stopped is not None:
        print(f"{program.title} has stopped (process {stopped.pid})", flush=True)
    return stopped is not None


def _named(running: Sequence[Program], name: str | None) -> Program:
    """The process whose log is asked for; the only one needs no name."""
    found = [program for program in running if name in {None, program.title}]
    if len(found) == 1:
        return found[0]
    known = ", ".join(program.title for program in running)
    raise CommandFailed(
        f"Which log? Name one of {known}." if name is None else f"{name}? It is one of {known}."
    )


def _run(layout: Layout, module: Sequence[str]) -> int:
    command = [str(layout.python), "-m", *module]
    return subprocess.run(command, cwd=layout.root, env=layout.environment(), check=False).returncode
