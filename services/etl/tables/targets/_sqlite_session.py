"""A connection to an SQLite file of a tenant, used in a thread, with bounded memory and time."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from services.etl.tables.dialects import _sqlite_casts as casts
from services.etl.tables.errors import TargetBusy, TargetRefused
from shared.engines import sqlite
from shared.errors import PenstockError

T = TypeVar("T")
_REASONS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the file is read-only",
    "SQLITE_CONSTRAINT": "the rows that are there don't allow it",
    "SQLITE_INTERRUPT": "it took more than {limit}; make the table or the file smaller, or do it by hand",
    "SQLITE_TOOBIG": "the file has a value that is too long to be read; remove it there",
    "SQLITE_NOMEM": "the file has a value that is too long to be read; remove it there",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_NOTADB": "the file is damaged; restore it from a backup",
    "SQLITE_IOERR": "the file can't be read or written; look at its disk",
}
_UNKNOWN: Final = (
    "its database failed ({name}); see with PRAGMA integrity_check in the sqlite3 shell whether the file and"
    " every view and virtual table in it is in order"
)
_LONGEST_VALUE: Final = 64 * 1024 * 1024
_MINUTE: Final = 60
_CHECK_EVERY: Final = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""
_CANCEL_SECONDS: Final = 5.0


class Session:
    """A connection on which a hostile file costs bounded memory and time, and that can be told to stop."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped
        self._seconds = 0.0
        self.connection: sqlite3.Connection

    @contextmanager
    def opened(self, path: Path, *, read_only: bool, create: bool) -> Iterator[sqlite3.Connection]:
        """The connection; the driver's errors come out in our words, and closing it rolls back."""
        self.connection = sqlite.connect(path, read_only=read_only, create=create, max_bytes=_LONGEST_VALUE)
        with closing(self.connection):
            self.connection.text_factory = _text
            casts.register(self.connection)
            try:
                yield self.connection
            except PenstockError:
                raise
            except sqlite3.Error as error:
                raise self._refusal(error) from None

    def limit(self, seconds: float) -> None:
        """End any statement that still runs then, or when told to stop."""
        self._seconds = seconds
        deadline = time.monotonic() + seconds
        self.connection.set_progress_handler(
            lambda: self._stopped.is_set() or time.monotonic() > deadline, _CHECK_EVERY
        )

    def go_on(self) -> None:
        """Raise TargetBusy when told to stop: for the places where no statement runs."""
        if self._stopped.is_set():
            raise TargetBusy

    def _refusal(self, error: sqlite3.Error) -> PenstockError:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return TargetBusy()
        limit = "a minute" if self._seconds <= _MINUTE else f"{self._seconds / _MINUTE:.0f} minutes"
        for known, reason in _REASONS.items():
            if name.startswith(known):
                return TargetRefused(reason=reason.format(limit=limit))
        return TargetRefused(reason=_UNKNOWN.format(name=name or "without a code"))


async def in_thread(work: Callable[[Session], T]) -> T:
    """Run with a session in a thread. When the waiting is cancelled, the work is told to stop."""
    stopped = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(None, work, Session(stopped))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stopped.set()
        future.add_done_callback(_passed_over)
        await asyncio.wait([future], timeout=_CANCEL_SECONDS)
        raise


def _passed_over(future: "asyncio.Future[T]") -> None:
    """Take what came of it, so that nobody is told that it was never asked for."""
    if not future.cancelled():
        future.exception()


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")
