"""Start and stop embedded mode in the background."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from deploy.supervisor import health, instance
from deploy.supervisor.failure import NOT_RUNNING, CommandFailed
from deploy.supervisor.instance import Instance
from deploy.supervisor.layout import Layout

START_SECONDS = 60.0
STOP_SECONDS = 20.0
KEPT_LOG_BYTES = 20_000_000
SHOWN_LINES = 12


def start(layout: Layout, *, port: int | None) -> Instance:
    """Start and wait until it is ready; one that runs already is left alone."""
    running = instance.find(layout.lock)
    if running is None:
        process, begin = _spawn(layout, port)
        return _until_ready(layout, process, begin)
    return running


def stop(layout: Layout) -> Instance | None:
    """End the process: politely, then after a while by force. None when nothing was running."""
    running = instance.find(layout.lock)
    if running is None:
        return None
    with instance.watching(layout.lock, running) as ended:
        for number in (signal.SIGTERM, signal.SIGKILL):
            instance.send(layout.lock, running, number)
            if instance.wait(ended, STOP_SECONDS):
                return running
            print(f"Process {running.pid} didn't end within {STOP_SECONDS:.0f} s", file=sys.stderr)
    raise CommandFailed(f"Process {running.pid} can't be stopped.")


def required(layout: Layout) -> Instance:
    """The running process; CommandFailed when there is none."""
    running = instance.find(layout.lock)
    if running is None:
        raise CommandFailed("Penstock is not running (`manage.py start` starts it).", code=NOT_RUNNING)
    return running


def refuse_while_running(layout: Layout, what: str) -> None:
    running = instance.find(layout.lock)
    if running is not None:
        raise CommandFailed(f"Penstock is running (process {running.pid}): stop it before {what}.")


def _spawn(layout: Layout, port: int | None) -> tuple["subprocess.Popen[bytes]", int]:
    """The process and the place in the log where its own lines begin."""
    _prepare(layout.log)
    changes = {} if port is None else {"PENSTOCK_PORT": str(port)}
    with layout.log.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            [str(layout.python), "-m", "services"],
            cwd=layout.root,
            env=layout.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return process, begin


def _prepare(log: Path) -> None:
    """A folder that is ours alone, and one earlier log when this one has grown."""
    try:
        log.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        log.parent.mkdir(exist_ok=True, mode=0o700)
        if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        os.close(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError as error:
        raise CommandFailed(f"The log {log} can't be written: {error.strerror}.") from error


def _until_ready(layout: Layout, process: "subprocess.Popen[bytes]", begin: int) -> Instance:
    def settled() -> bool:
        return process.poll() is not None or _ready(layout)

    in_time = instance.wait(settled, START_SECONDS)
    running = instance.find(layout.lock)
    if running is not None and in_time and process.poll() is None:
        return running
    if process.poll() is None:
        raise CommandFailed(
            f"Penstock has started (process {process.pid}) but is not ready after "
            f"{START_SECONDS:.0f} s; `manage.py status` and `manage.py logs` say more."
        )
    raise CommandFailed(
        f"Penstock ended with exit code {process.returncode} while it started. The end of its log "
        f"({layout.log}):\n{_tail(layout.log, begin)}"
    )


def _ready(layout: Layout) -> bool:
    running = instance.find(layout.lock)
    return running is not None and running.url is not None and health.ask(running.url).ready


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-SHOWN_LINES:])
