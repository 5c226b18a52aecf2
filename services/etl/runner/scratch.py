"""Folders for what a job spills: made and removed by the parent, so that they go also when a child is killed.

Who uses a folder holds a lock on it, which ends with its process, however that ends. So what has no lock is
removed by whoever makes the next one. Numbers of processes would not do: they are used again, and containers
that share a folder count each for itself.
"""

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.errors import Unavailable
from shared.observe import logs

_PREFIX: Final = "penstock-work-"
_TRIES: Final = 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_log = logs.get(__name__)


class ScratchUnavailable(Unavailable):
    """The folder for temporary files can't be used: {reason}."""


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """An empty folder below the system's one for temporary files, gone at the end.

    Raises ScratchUnavailable.
    """
    await asyncio.to_thread(sweep)
    # Not in a thread: cancelled while it waits for one, nobody would know of the folder.
    made = _make()
    try:
        yield made.path
    finally:
        await asyncio.shield(asyncio.to_thread(made.remove))


def full(error: OSError) -> ScratchUnavailable | None:
    """What an error of the file system comes to where the disk is full: nothing is wrong with the job."""
    reason = "there is no room left on its disk"
    return ScratchUnavailable(reason=reason) if error.errno in _FULL else None


def sweep() -> None:
    """Remove what processes have left that are gone."""
    for left in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        if (found := _Folder.locked(left)) is not None:
            found.remove()
            _log.info("scratch_removed", folder=left.name)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder, and the descriptor that holds its lock."""

    path: Path
    descriptor: int

    @classmethod
    def locked(cls, path: Path) -> "_Folder | None":
        """The folder, if nobody else uses it and it is still there."""
        try:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags)
        except OSError:
            return None
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return cls(path, descriptor)
        os.close(descriptor)
        return None

    def remove(self) -> None:
        """Remove it; the lock is held until it is gone, so that nobody takes it for free before."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.descriptor)


def _make() -> _Folder:
    for _ in range(_TRIES):
        try:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        except OSError as error:
            raise full(error) or ScratchUnavailable(reason="it can't be written") from error
        # Between the two somebody may have taken it for one that was left behind.
        if (made := _Folder.locked(path)) is not None:
            return made
        with suppress(OSError):
            path.rmdir()
    raise ScratchUnavailable(reason="what is in it can't be locked")
