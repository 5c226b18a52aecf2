"""Folders for what a job spills: made and removed by the parent, so that they go also when a child is killed.

A folder is named by the process that made it; those of processes that are gone are removed by the next one.
In a container that was started again the number of the process is the same: so what is named by this one
before it has made any is of an earlier one.
"""

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"penstock-scratch-(\d+)-\w+")
_made: Final[set[Path]] = set()


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """An empty folder below the system's one for temporary files, gone at the end."""
    made = await asyncio.to_thread(_make)
    try:
        yield made
    finally:
        await asyncio.shield(asyncio.to_thread(_remove, made))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _made.discard(folder)


def _make() -> Path:
    base = Path(tempfile.gettempdir())
    for other in base.glob("penstock-scratch-*"):
        named = _NAME.fullmatch(other.name)
        if named and not _is_used(other, int(named[1])):
            shutil.rmtree(other, ignore_errors=True)
    _made.add(made := Path(tempfile.mkdtemp(prefix=f"penstock-scratch-{os.getpid()}-", dir=base)))
    return made


def _is_used(folder: Path, pid: int) -> bool:
    if pid == os.getpid():
        return folder in _made
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
