"""Which process this is, and whether another one on this machine is still alive.

A process number alone says nothing: it is used again after a while, and in every container. So a process
is known by its number and its start time, and is judged only from the same boot and the same space of
process numbers. Where the system does not tell these (they are Linux's), nobody is judged.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_STATE, _START = 0, 19
"""Fields of /proc/<pid>/stat behind the name, which is in parentheses: proc(5), fields 3 and 22."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A process: `place` is where its number means something (None: unknown), `process` which one it is."""

    host: str
    place: str | None
    process: str


def this_process() -> Identity:
    """The identity of the process that asks."""
    host = socket.gethostname()
    pid = os.getpid()
    started = _started(pid)
    space = _space()
    place = f"{host}/{space}" if space and started else None
    return Identity(host, place, f"{pid}/{started}")


def is_alive(process: str) -> bool:
    """Whether a process of the same place still runs; one that was killed and not yet reaped does not."""
    pid, _, started = process.partition("/")
    return _started(int(pid)) == started


def _space() -> str | None:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _started(pid: int) -> str | None:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[_STATE] in {"Z", "X"} else fields[_START]
