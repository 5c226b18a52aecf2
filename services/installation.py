"""The folder of one embedded installation: one process at a time, and what it says about itself."""

import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from shared.errors import Conflict, Unavailable

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.05


class AlreadyRunning(Conflict):
    """Penstock is running already on {folder} (process {pid}): stop it, or give PENSTOCK_VAR another one."""


class FolderUnusable(Unavailable):
    """The folder {folder} can't be used for data: {reason}. PENSTOCK_VAR names another one."""


class Installation:
    """Holds the lock of a data folder while its `with` block is open.

    The lock is the kernel's: it is released when this process ends, however it ends. The file tells
    `manage.py` who holds it and where it listens.
    """

    def __init__(self, folder: Path, *, version: str) -> None:
        self.folder = folder
        self._version = version
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._file = -1

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self.folder / "penstock.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise FolderUnusable(folder=self.folder, reason=error.strerror) from error
        if not self._locked():
            pid = self._holder()
            os.close(self._file)
            raise AlreadyRunning(folder=self.folder, pid=pid)
        self._write(url=None)
        return self

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def listening(self, url: str) -> None:
        """Say where this process can be reached."""
        self._write(url=url)

    def _locked(self) -> bool:
        """Whoever only looks at the lock holds it for a moment, so one refusal says nothing yet."""
        for _ in range(_ATTEMPTS):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_SECONDS)
            else:
                return True
        return False

    def _holder(self) -> str:
        try:
            return str(json.loads(os.pread(self._file, 4096, 0))["pid"])
        except (ValueError, KeyError, TypeError):
            return "unknown"

    def _write(self, *, url: str | None) -> None:
        facts = {"pid": os.getpid(), "since": self._since, "version": self._version, "url": url}
        text = json.dumps(facts).encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))
