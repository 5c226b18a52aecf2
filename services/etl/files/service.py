import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database, ReadSession
from shared.identifiers import FileId

from .errors import (
    FileInUse,
    FileQuotaExceeded,
    FileReady,
    FileTooLarge,
    FileUnknown,
    FileUnready,
    TooManyUploads,
    UploadOffsetWrong,
    UploadTooLong,
    UploadTooShort,
)
from .models import UploadedFile
from .repository import Files, WritableFiles
from .schemas import FileInput, FileQuery
from .states import FileState
from .store import Part, Store

CHUNK_BYTES: Final = 16 * 1024 * 1024
"""The largest body of one resumable step."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Bounds for each tenant; sizes in bytes."""

    file_bytes: int = 5 * 1024**3
    total_bytes: int = 50 * 1024**3
    unfinished: int = 100


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A ready file as a loader gets it: its path on this machine, its bytes and their SHA-256."""

    id: FileId
    name: str
    path: Path
    size: int
    sha256: str


class FileUsers(Protocol):
    """Whoever reads files."""

    async def tasks_reading(self, session: ReadSession, scope: TenantScope, file_id: FileId) -> list[str]:
        """The names of the tasks that read this file."""


class FileService:
    """Uploads of a tenant: resumable in chunks, or in one piece. A ready file never changes."""

    def __init__(self, database: Database, *, store: Store, users: FileUsers, limits: FileLimits) -> None:
        self._database = database
        self._store = store
        self._users = users
        self._limits = limits

    async def create(self, scope: TenantScope, given: FileInput) -> UploadedFile:
        """Announce a file. Raises FileTooLarge, FileQuotaExceeded or TooManyUploads."""
        if given.size > self._limits.file_bytes:
            raise FileTooLarge(limit=self._limits.file_bytes, loc=("body", "size"))
        async with self._database.write() as session:
            files = WritableFiles(session)
            if await files.unfinished(scope) >= self._limits.unfinished:
                raise TooManyUploads(limit=self._limits.unfinished)
            if await files.total_bytes(scope) + given.size > self._limits.total_bytes:
                raise FileQuotaExceeded(limit=self._limits.total_bytes)
            return await files.add(
                UploadedFile(
                    tenant_id=scope.tenant_id,
                    name=given.name,
                    size=given.size,
                    received=0,
                    state=FileState.UPLOADING.value,
                    sha256=None,
                )
            )

    async def get(self, scope: TenantScope, file_id: FileId) -> UploadedFile:
        """One file. Raises FileUnknown."""
        async with self._database.read() as session:
            return await Files(session).get(scope, file_id)

    async def listed(self, scope: TenantScope, query: FileQuery) -> Page[UploadedFile]:
        """Files, the newest first."""
        async with self._database.read() as session:
            return await Files(session).listed(scope, query)

    async def append(
        self, scope: TenantScope, file_id: FileId, *, offset: int, chunks: AsyncIterator[bytes]
    ) -> UploadedFile:
        """Take the next bytes of an upload; the last ones make it ready.

        Nothing counts unless all of the chunks came. Raises FileUnknown, FileReady, UploadOffsetWrong,
        UploadTooLong, UploadBusy or StoreFull.
        """
        await self._open(scope, file_id)
        async with self._store.writing(scope.tenant_id, file_id) as part:
            row = await self._open(scope, file_id)
            if row.received != offset:
                raise UploadOffsetWrong(received=row.received, given=offset, loc=("header", "Upload-Offset"))
            return await self._take(scope, row, part, _bounded(chunks, row.size - offset, row.size))

    async def replace(
        self, scope: TenantScope, file_id: FileId, *, chunks: AsyncIterator[bytes]
    ) -> UploadedFile:
        """Take the whole file in one piece. Raises as `append`, and UploadTooShort."""
        await self._open(scope, file_id)
        async with self._store.writing(scope.tenant_id, file_id) as part:
            row = await self._open(scope, file_id)
            await self._record(scope, file_id, received=0)
            received = await part.write(0, _bounded(chunks, row.size, row.size))
            if received != row.size:
                raise UploadTooShort(size=row.size, received=received, loc=("body",))
            return await self._record(scope, file_id, received=received, sha256=await part.digest())

    async def delete(self, scope: TenantScope, file_id: FileId) -> None:
        """Delete a file. Raises FileUnknown, or FileInUse while a task reads it."""
        async with self._database.write() as session:
            files = WritableFiles(session)
            row = await files.get(scope, file_id)
            if tasks := await self._users.tasks_reading(session, scope, file_id):
                raise FileInUse(tasks=", ".join(tasks))
            await files.remove(row)
        await self._store.delete(scope.tenant_id, file_id)

    async def ready(self, scope: TenantScope, file_id: FileId) -> StoredFile:
        """A file to be read. Raises FileUnknown also for one that isn't ready."""
        row = await self.get(scope, file_id)
        if row.state != FileState.READY:
            raise FileUnknown(file_id=file_id)
        return self._stored(scope, row)

    async def content(self, scope: TenantScope, file_id: FileId) -> StoredFile:
        """A file to be downloaded. Raises FileUnknown, or FileUnready."""
        row = await self.get(scope, file_id)
        if row.state != FileState.READY:
            raise FileUnready
        stored = self._stored(scope, row)
        if not await asyncio.to_thread(stored.path.is_file):
            raise FileUnknown(file_id=file_id)
        return stored

    async def matching(self, scope: TenantScope, pattern: str) -> list[StoredFile]:
        """The ready files whose names fit a pattern (`*`, `?`, `[abc]`), by name; of one name the newest."""
        async with self._database.read() as session:
            rows = await Files(session).matching(scope, pattern)
        return [self._stored(scope, row) for row in rows]

    async def room(self, scope: TenantScope) -> int:
        """Bytes that one more file may have."""
        async with self._database.read() as session:
            used = await Files(session).total_bytes(scope)
        return max(0, min(self._limits.file_bytes, self._limits.total_bytes - used))

    async def is_taken(self, scope: TenantScope, name: str) -> bool:
        """Whether a ready file has this name."""
        async with self._database.read() as session:
            return bool(await Files(session).named(scope, name))

    def path(self, scope: TenantScope, file_id: FileId) -> Path:
        """Where a file of this id lies, or would."""
        return self._store.path(scope.tenant_id, file_id)

    def _stored(self, scope: TenantScope, row: UploadedFile) -> StoredFile:
        assert row.sha256 is not None
        path = self._store.path(scope.tenant_id, row.id)
        return StoredFile(FileId(row.id), row.name, path, row.size, row.sha256)

    async def _open(self, scope: TenantScope, file_id: FileId) -> UploadedFile:
        row = await self.get(scope, file_id)
        if row.state == FileState.READY:
            raise FileReady
        return row

    async def _take(
        self, scope: TenantScope, row: UploadedFile, part: Part, chunks: AsyncIterator[bytes]
    ) -> UploadedFile:
        received = await part.write(row.received, chunks)
        sha256 = await part.digest() if received == row.size else None
        return await self._record(scope, FileId(row.id), received=received, sha256=sha256)

    async def _record(
        self, scope: TenantScope, file_id: FileId, *, received: int, sha256: str | None = None
    ) -> UploadedFile:
        async with self._database.write() as session:
            return await WritableFiles(session).advance(scope, file_id, received=received, sha256=sha256)


async def _bounded(chunks: AsyncIterator[bytes], room: int, size: int) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        room -= len(chunk)
        if room < 0:
            raise UploadTooLong(size=size, loc=("body",))
        yield chunk
