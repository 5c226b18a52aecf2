"""A file that is being written: hashed, counted and bounded on the way, on the disk when it is finished."""

import errno
import fcntl
import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from services.etl.columns import Columns
from services.etl.destinations._file_formats import writer_for
from services.etl.pipeline.definition import FileForm
from services.etl.pipeline.errors import TargetBusy, TargetRefused

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class _Sink(io.RawIOBase):
    def __init__(self, descriptor: int, most: int) -> None:
        self._descriptor = descriptor
        self._most = most
        self._digest = hashlib.sha256()
        self._over = False
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        if self._over:
            return len(view)
        if self.size + len(view) > self._most:
            raise TargetRefused(reason=f"the file would have more than the {self._most} bytes that are left")
        self._digest.update(view)
        left = view
        while left:
            left = left[os.write(self._descriptor, left) :]
        self.size += len(view)
        return len(view)

    def end(self) -> None:
        """Take no more: a forgotten writer ends its file, and the descriptor may be another's by then."""
        self._over = True

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Output:
    """Rows on their way into the file at `path`, which nobody may have made before.

    It is locked while it is open, so that who sweeps can tell it from what a dead process has left. Methods
    raise TargetBusy where the disk is full or away, and TargetRefused where the file gets too large.
    """

    def __init__(self, path: Path, form: FileForm, columns: Columns, *, most: int) -> None:
        self.path = path
        try:
            path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, _FILE_MODE)
        except OSError as error:
            raise translated(error) from error
        self._sink = _Sink(self._descriptor, most)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._writer = writer_for(form, columns, self._sink)
        except OSError as error:
            self.close(remove=True)
            raise translated(error) from error
        except BaseException:
            self.close(remove=True)
            raise

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._sink.size

    @property
    def sha256(self) -> str:
        """The SHA-256 of the bytes so far, in hexadecimal digits."""
        return self._sink.sha256

    def write(self, batch: Any) -> None:
        """Some rows, as a `pyarrow.RecordBatch`."""
        try:
            self._writer.write(batch)
        except OSError as error:
            raise translated(error) from error

    def finish(self) -> None:
        """The end of the file; it is durable then."""
        try:
            self._writer.finish()
            os.fsync(self._descriptor)
        except OSError as error:
            raise translated(error) from error

    def move(self, path: Path) -> None:
        """Give the finished file its name, durably."""
        try:
            os.utime(self._descriptor)
            self.path.rename(path)
            self.path = path
            _sync_folder(path.parent)
        except OSError as error:
            raise translated(error) from error

    def close(self, *, remove: bool) -> None:
        """Let go of it. Never raises."""
        self._sink.end()
        with suppress(OSError):
            if remove:
                self.path.unlink(missing_ok=True)
        with suppress(OSError):
            os.close(self._descriptor)


def translated(error: OSError) -> TargetBusy | TargetRefused:
    """What an error of the file system comes to; paths are nobody's business."""
    if error.errno in _FULL:
        return TargetBusy(reason="there is no room for the file on the disk")
    return TargetRefused(reason=f"its folder can't be written ({errno.errorcode.get(error.errno or 0, '?')})")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
