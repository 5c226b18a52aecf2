"""Where the bytes of uploaded files lie."""

import asyncio
import errno
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from .errors import StoreFull, UploadBusy
from .names import PART

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600
_BLOCK_BYTES: Final = 1024 * 1024


class Part(Protocol):
    """An upload that this request alone may write."""

    async def write(self, offset: int, chunks: AsyncIterator[bytes]) -> int:
        """Write bytes from `offset` on, instead of what is there; the new size, once it is durable."""

    async def digest(self) -> str:
        """The SHA-256 of all bytes, in hexadecimal digits."""


class Store(Protocol):
    """Files by tenant and id; the names that people gave them never reach it."""

    def writing(self, tenant: UUID, file: UUID) -> AbstractAsyncContextManager[Part]:
        """Hold the upload for one request. Raises UploadBusy when another one does."""

    async def delete(self, tenant: UUID, file: UUID) -> None:
        """Remove a file; one that isn't there is fine."""

    async def untouched(self, since: datetime) -> Sequence[tuple[UUID, UUID]]:
        """Tenant and id of every file that was last written before `since`."""

    async def drop_parts(self, since: datetime) -> int:
        """Remove what was last written before `since` by runs that are lost; how many files that were."""

    def path(self, tenant: UUID, file: UUID) -> Path:
        """Where the file lies on this machine, for the process that reads it."""


class LocalStore:
    """A folder for each tenant below `root`, shared as a volume where there are several machines."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, tenant: UUID, file: UUID) -> Path:
        """As `Store.path`."""
        return self._root / str(tenant) / str(file)

    @asynccontextmanager
    async def writing(self, tenant: UUID, file: UUID) -> AsyncIterator[Part]:
        """As `Store.writing`."""
        descriptor = await asyncio.to_thread(_open_locked, self.path(tenant, file))
        try:
            yield _LocalPart(descriptor)
        finally:
            os.close(descriptor)

    async def delete(self, tenant: UUID, file: UUID) -> None:
        """As `Store.delete`."""
        await asyncio.to_thread(self.path(tenant, file).unlink, missing_ok=True)

    async def untouched(self, since: datetime) -> Sequence[tuple[UUID, UUID]]:
        """As `Store.untouched`. What isn't named as the store names things isn't the store's."""
        return await asyncio.to_thread(lambda: list(_untouched(self._root, since.timestamp())))

    async def drop_parts(self, since: datetime) -> int:
        """As `Store.drop_parts`. Who writes one holds a lock on it, which ends with its process."""
        return await asyncio.to_thread(_drop_parts, self._root, since.timestamp())


class _LocalPart:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def write(self, offset: int, chunks: AsyncIterator[bytes]) -> int:
        """As `Part.write`. Bytes that a request left behind without a record of them are overwritten."""
        position, waiting = offset, bytearray()
        await asyncio.to_thread(os.ftruncate, self._descriptor, offset)
        async for chunk in chunks:
            waiting += chunk
            if len(waiting) >= _BLOCK_BYTES:
                await asyncio.to_thread(_write_all, self._descriptor, waiting, position)
                position, waiting = position + len(waiting), bytearray()
        await asyncio.to_thread(_write_all, self._descriptor, waiting, position)
        await asyncio.to_thread(_flush, self._descriptor)
        return position + len(waiting)

    async def digest(self) -> str:
        """As `Part.digest`."""
        return await asyncio.to_thread(_digest, self._descriptor)


def _untouched(root: Path, since: float) -> Iterator[tuple[UUID, UUID]]:
    for folder in _named_by_id(root):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for file in _named_by_id(Path(folder.path)):
            with suppress(FileNotFoundError):
                if file.is_file(follow_symlinks=False) and file.stat(follow_symlinks=False).st_mtime < since:
                    yield UUID(folder.name), UUID(file.name)


def _drop_parts(root: Path, since: float) -> int:
    dropped = 0
    for folder in _named_by_id(root):
        if folder.is_dir(follow_symlinks=False):
            for part in _named_by_id(Path(folder.path), ending=PART):
                with suppress(FileNotFoundError):
                    if part.stat(follow_symlinks=False).st_mtime < since:
                        dropped += _dropped(Path(part.path))
    return dropped


def _dropped(part: Path) -> bool:
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        part.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _named_by_id(folder: Path, *, ending: str = "") -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [
                one
                for one in entries
                if one.name.endswith(ending) and _is_id(one.name[: -len(ending) or None])
            ]
    except FileNotFoundError:
        return []


def _is_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _open_locked(path: Path) -> int:
    """Open and lock the file; the lock ends with the descriptor, also when this process dies."""
    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UploadBusy from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write_all(descriptor: int, chunk: bytearray, position: int) -> None:
    view = memoryview(chunk)
    try:
        while view:
            written = os.pwrite(descriptor, view, position)
            view, position = view[written:], position + written
    except OSError as error:
        raise _full(error) from error


def _flush(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise _full(error) from error


def _full(error: OSError) -> Exception:
    return StoreFull() if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO} else error


def _digest(descriptor: int) -> str:
    found = hashlib.sha256()
    position = 0
    with suppress(AttributeError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    while chunk := os.pread(descriptor, _BLOCK_BYTES, position):
        found.update(chunk)
        position += len(chunk)
    return found.hexdigest()
