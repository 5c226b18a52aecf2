"""Where the rejected rows of runs lie: one file for each attempt, beside the uploaded files.

They are files and not rows of the database because there may be a hundred thousand of them, each with its
raw record: too much for a database that also keeps leases, and nothing in them is ever searched or changed.
What decides stays in the database: the run says which attempt's file counts and how many rows of it, written
under the attempt's fence. An attempt that was overtaken can only write to a file that nobody reads.
"""

import asyncio
import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import orjson

FOLDER: Final = "rejects"
"""Below the store's root, beside the tenants' folders."""

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_LEVEL: Final = 3
"""Of gzip: rejected rows repeat themselves, and more effort gains little."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run's row says of its rejected rows: whose file it is, and how many of them are in it.

    Not `complete`: there were more than are kept.
    """

    attempt: int
    rows: int
    complete: bool


@dataclass(frozen=True, slots=True)
class RejectFile:
    """The rejected rows of one attempt: lines of JSON, compressed in pieces that follow each other."""

    path: Path

    def append(self, rows: Sequence[dict[str, Any]], *, at: int) -> int:
        """Write rows behind the first `at` bytes, and cut off what is there; the size that follows.

        So a piece that a full disk cut in two is written again as a whole.
        """
        piece = gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows), _LEVEL)
        self.path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.path, flags, _FILE_MODE), "wb") as file:
            file.truncate(at)
            file.seek(at)
            file.write(piece)
        return at + len(piece)

    def lines(self, *, after: int = 0, most: int) -> Iterator[bytes]:
        """Lines `after` + 1 to `most`, each with its end. A file that is gone has none."""
        with suppress(FileNotFoundError), gzip.open(self.path) as file:
            yield from islice(_whole_lines(file), after, most)

    def rows(self, *, after: int = 0, most: int) -> Iterator[dict[str, Any]]:
        """The rows behind the first `after` ones, up to the one numbered `most`, counted from 1."""
        for line in self.lines(after=after, most=most):
            yield orjson.loads(line)


class RejectStore:
    """The files of rejected rows, below the root of the uploaded files."""

    def __init__(self, root: Path) -> None:
        self._root = root / FOLDER

    def file(self, tenant: UUID, run: UUID, attempt: int) -> RejectFile:
        """The file of an attempt, whether it is there or not."""
        return RejectFile(self._folder(tenant, run) / f"{attempt}.ndjson.gz")

    async def drop_before(self, tenant: UUID, run: UUID, attempt: int) -> None:
        """Remove the files of the attempts before this one: it has found nothing of them committed."""
        await asyncio.to_thread(self._drop_before, self._folder(tenant, run), attempt)

    def _drop_before(self, folder: Path, attempt: int) -> None:
        for path in sorted(folder.glob("*.ndjson.gz")):
            number = path.name.partition(".")[0]
            if number.isdecimal() and int(number) < attempt:
                path.unlink(missing_ok=True)

    def _folder(self, tenant: UUID, run: UUID) -> Path:
        return self._root / str(tenant) / str(run)


def _whole_lines(file: gzip.GzipFile) -> Iterator[bytes]:
    """The lines of a file that may end in the middle of a piece: its writer may have been killed."""
    with suppress(EOFError):
        yield from file
