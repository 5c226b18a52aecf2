"""Show the log of embedded mode."""

import time
from collections.abc import Iterator
from pathlib import Path

from deploy.supervisor.failure import CommandFailed

POLL_SECONDS = 0.25
BYTES_PER_LINE = 2_000


def show(log: Path, *, lines: int, follow: bool) -> Iterator[str]:
    """The last lines, then, when following, each new one until interrupted."""
    if not log.exists():
        raise CommandFailed(f"There is no log yet: {log}")
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - lines * BYTES_PER_LINE))
        yield from file.read().decode(errors="replace").splitlines()[-lines:] if lines else ()
        while follow:
            line = file.readline()
            if line:
                yield line.decode(errors="replace").rstrip("\n")
            else:
                time.sleep(POLL_SECONDS)
