"""The commands of manage.py: each does its work, prints, and returns its exit code."""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Sequence

from deploy.supervisor import doctor as doctors
from deploy.supervisor import instance, lifecycle
from deploy.supervisor import logs as log_lines
from deploy.supervisor import status as picture
from deploy.supervisor.failure import FAILED, NOT_RUNNING, OK
from deploy.supervisor.layout import Layout


def start(layout: Layout, arguments: argparse.Namespace) -> int:
    """Start Penstock in the background and wait until it is ready."""
    already = instance.find(layout.lock)
    begin = time.monotonic()
    running = lifecycle.start(layout, port=arguments.port)
    if already is not None:
        print(f"Penstock is running already: {running.url} (process {running.pid})")
        return OK
    print(f"Penstock is ready: {running.url} (process {running.pid}, {time.monotonic() - begin:.1f} s)")
    if layout.first_passwords.exists():
        print(f"The first passwords are in {layout.first_passwords}")
    return OK


def stop(layout: Layout, _: argparse.Namespace) -> int:
    """Stop Penstock; what it was doing continues at the next start."""
    stopped = lifecycle.stop(layout)
    print("Penstock is not running" if stopped is None else f"Penstock has stopped (process {stopped.pid})")
    return OK


def restart(layout: Layout, arguments: argparse.Namespace) -> int:
    """Stop Penstock if it is running, then start it."""
    lifecycle.stop(layout)
    return start(layout, arguments)


def status(layout: Layout, arguments: argparse.Namespace) -> int:
    """Say whether Penstock is running and ready; exit code 3 when it is not running."""
    seen = picture.look(layout)
    print(json.dumps(seen.as_json(), indent=2) if arguments.output == "json" else "\n".join(seen.lines()))
    return {"ready": OK, "stopped": NOT_RUNNING}.get(seen.state, FAILED)


def logs(layout: Layout, arguments: argparse.Namespace) -> int:
    """Show the end of the log."""
    for line in log_lines.show(layout.log, lines=arguments.lines, follow=arguments.follow):
        print(line, flush=arguments.follow)
    return OK


def migrate(layout: Layout, _: argparse.Namespace) -> int:
    """Bring the databases to the newest schema."""
    lifecycle.refuse_while_running(layout, "migrating")
    return _services(layout, ["migrate"])


def reset_password(layout: Layout, arguments: argparse.Namespace) -> int:
    """Give a user a new random password and print it once."""
    tenant = ["--tenant", arguments.tenant] if arguments.tenant else []
    return _services(layout, ["reset-password", arguments.user, *tenant])


def doctor(layout: Layout, arguments: argparse.Namespace) -> int:
    """Look for what keeps Penstock from working; exit code 1 when something does."""
    findings = list(doctors.examine(layout, dict(os.environ)))
    if arguments.output == "json":
        print(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        print("\n".join(finding.line() for finding in findings))
    return FAILED if any(finding.verdict == "failed" for finding in findings) else OK


def _services(layout: Layout, arguments: Sequence[str]) -> int:
    command = [str(layout.python), "-m", "services", *arguments]
    return subprocess.run(command, cwd=layout.root, env=layout.environment(), check=False).returncode
