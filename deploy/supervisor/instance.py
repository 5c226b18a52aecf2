"""The running process: found by the lock that it holds, not by a number that may be another's by now.

The kernel releases the lock when its holder ends, however it ends. So a pid that was given to a new
process since is never taken for ours.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Instance:
    """What a running process says about itself. Without a URL it does not listen yet."""

    pid: int
    since: str
    version: str
    url: str | None


def find(lock: Path) -> Instance | None:
    """The process that holds the lock, or None when nobody does."""
    try:
        file = os.open(lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(os.read(file, 4096))
    else:
        return None
    finally:
        os.close(file)


def _read(written: bytes) -> Instance:
    """A process that has just taken the lock may not have written everything yet."""
    try:
        said = json.loads(written)
        return Instance(int(said["pid"]), said["since"], said["version"], said.get("url"))
    except (ValueError, KeyError, TypeError):
        return Instance(0, "", "", None)


def send(lock: Path, instance: Instance, number: signal.Signals) -> bool:
    """Signal the process if it still holds the lock; False when it has ended meanwhile.

    Where the kernel has process descriptors, the signal can't reach a later owner of the pid either.
    """
    if instance.pid <= 0:
        return False
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "pidfd_open"):
            return _send_to_holder(lock, instance, number)
        if _still(lock, instance):
            os.kill(instance.pid, number)
            return True
    return False


@contextlib.contextmanager
def watching(lock: Path, instance: Instance) -> Iterator[Callable[[], bool]]:
    """Tells whether the process that holds the lock has ended: it lives on for a while without its lock.

    Where the kernel has no process descriptors, the lock alone has to tell.
    """
    descriptor = -1
    if instance.pid > 0 and hasattr(os, "pidfd_open"):
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(instance.pid)
    ours = descriptor >= 0 and _still(lock, instance)
    try:
        yield lambda: find(lock) is None and not (ours and not select.select([descriptor], [], [], 0)[0])
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _send_to_holder(lock: Path, instance: Instance, number: signal.Signals) -> bool:
    descriptor = os.pidfd_open(instance.pid)
    try:
        if not _still(lock, instance):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    finally:
        os.close(descriptor)


def _still(lock: Path, instance: Instance) -> bool:
    now = find(lock)
    return now is not None and now.pid == instance.pid


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
