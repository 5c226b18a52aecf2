"""Folders for what a job spills: made and removed by the parent, so that they go also when a child is killed.

A folder is named by the process that made it; those of processes that are gone are removed by the next one.
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


@asynccontextmanager
async def folder() -> AsyncIterator[Path]:
    """An empty folder below the system's one for temporary files, gone at the end."""
    made = await asyncio.to_thread(_make)
    try:
        yield made
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, made, ignore_errors=True))


def _make() -> Path:
    base = Path(tempfile.gettempdir())
    for other in base.glob("penstock-scratch-*"):
        named = _NAME.fullmatch(other.name)
        if named and not _lives(int(named[1])):
            shutil.rmtree(other, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"penstock-scratch-{os.getpid()}-", dir=base))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
