"""Start and stop Penstock's processes in the background."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.supervisor import health, instance
from deploy.supervisor.failure import CommandFailed
from deploy.supervisor.instance import Instance
from deploy.supervisor.layout import ROOT
from deploy.supervisor.programs import Program
from shared.version import VERSION

START_SECONDS = 60.0
STOP_SECONDS = 20.0
KEPT_LOG_BYTES = 20_000_000
SHOWN_LINES = 12


@dataclass(frozen=True)
class Started:
    """A process that was started just now, and the place in the log where its own lines begin."""

    program: Program
    process: "subprocess.Popen[bytes]"
    begin: int


def start(program: Program) -> Instance:
    """Start and wait until it is ready; one that runs already is left alone."""
    running = instance.find(program.lock)
    return running if running is not None else until_ready(spawn(program))


def until_ready(started: Started) -> Instance:
    """The process when it is ready. CommandFailed when it ends before, or isn't ready in time."""
    program, process = started.program, started.process

    def settled() -> bool:
        return process.poll() is not None or _ready(program)

    in_time = instance.wait(settled, START_SECONDS)
    running = instance.find(program.lock)
    if running is not None and in_time and process.poll() is None:
        return running
    if process.poll() is None:
        raise CommandFailed(
            f"{program.title} has started (process {process.pid}) but is not ready after "
            f"{START_SECONDS:.0f} s{_why(program)}; `manage.py status` and `manage.py logs` say more."
        )
    raise CommandFailed(
        f"{program.title} ended with exit code {process.returncode} while it started. The end of its log "
        f"({program.log}):\n{_tail(program.log, started.begin)}"
    )


def stop(program: Program) -> Instance | None:
    """End the process: politely, then after a while by force. None when nothing was running."""
    running = instance.find(program.lock)
    if running is None:
        return None
    with instance.watching(program.lock, running) as ended:
        for number in (signal.SIGTERM, signal.SIGKILL):
            instance.send(program.lock, running, number)
            if instance.wait(ended, STOP_SECONDS):
                return running
            print(f"Process {running.pid} didn't end within {STOP_SECONDS:.0f} s", file=sys.stderr)
    raise CommandFailed(f"Process {running.pid} can't be stopped.")


def refuse_while_running(programs: Iterable[Program], what: str) -> None:
    for program in programs:
        running = instance.find(program.lock)
        if running is not None:
            raise CommandFailed(f"{program.title} is running (process {running.pid}): stop it before {what}.")


def spawn(program: Program) -> Started:
    """Start, and don't wait."""
    _prepare(program.log)
    lock = None if program.url is None else _locked(program)
    try:
        with program.log.open("ab") as log:
            begin = log.tell()
            process = subprocess.Popen(
                program.command,
                cwd=ROOT,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=() if lock is None else (lock,),
            )
        if lock is not None:
            _write(lock, process.pid, program.url)
    finally:
        if lock is not None:
            os.close(lock)
    return Started(program, process, begin)


def _locked(program: Program) -> int:
    """The descriptor of the lock, to be handed to the process: the kernel keeps it as long as that lives."""
    _folder(program.lock.parent)
    lock = os.open(program.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CommandFailed(f"Somebody else is starting {program.title} at this moment.") from None
    return lock


def _write(lock: int, pid: int, url: str | None) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": pid, "since": since, "version": VERSION, "url": url}).encode()
    os.ftruncate(lock, 0)
    os.pwrite(lock, text, 0)


def _prepare(log: Path) -> None:
    """A folder that is ours alone, and one earlier log when this one has grown."""
    _folder(log.parent)
    try:
        if log.exists() and log.stat().st_size > KEPT_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        os.close(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError as error:
        raise CommandFailed(f"The log {log} can't be written: {error.strerror}.") from error


def _folder(folder: Path) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise CommandFailed(f"The folder {folder} can't be used: {error.strerror}.") from error


def _ready(program: Program) -> bool:
    running = instance.find(program.lock)
    return running is not None and running.url is not None and health.ask(running.url).ready


def _why(program: Program) -> str:
    running = instance.find(program.lock)
    detail = health.ask(running.url).detail if running is not None and running.url else ""
    return f" ({detail.rstrip('.')})" if detail else ""


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-SHOWN_LINES:])
