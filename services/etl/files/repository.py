import fnmatch
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update

from shared import clock
from shared.contracts.identity import TenantScope
from shared.db.repository import Page, Repository, WritableRepository

from .errors import FileUnknown
from .models import UploadedFile
from .schemas import FileQuery
from .states import FileState


class Files(Repository[UploadedFile]):
    """Files of a tenant."""

    model = UploadedFile

    async def get(self, scope: TenantScope, file_id: UUID) -> UploadedFile:
        """The file. Raises FileUnknown."""
        found = await self.find(scope, file_id)
        if found is None:
            raise FileUnknown(file_id=file_id)
        return found

    async def listed(self, scope: TenantScope, query: FileQuery) -> Page[UploadedFile]:
        """Files, the newest first."""
        statement = self.of(scope)
        if query.state is not None:
            statement = statement.where(UploadedFile.state == query.state.value)
        return await self.page(statement, limit=query.limit, cursor=query.cursor, descending=True)

    async def total_bytes(self, scope: TenantScope) -> int:
        """The announced sizes of all files together."""
        total = select(func.coalesce(func.sum(UploadedFile.size), 0))
        return int(await self._session.scalar(total.where(UploadedFile.tenant_id == scope.tenant_id)))

    async def unfinished(self, scope: TenantScope) -> int:
        """How many uploads are not complete."""
        return int(
            await self._session.scalar(
                select(func.count()).where(
                    UploadedFile.tenant_id == scope.tenant_id,
                    UploadedFile.state == FileState.UPLOADING.value,
                )
            )
        )

    async def matching(self, scope: TenantScope, pattern: str) -> list[UploadedFile]:
        """The ready files whose names fit a pattern (`*`, `?`, `[abc]`), by name.

        Of several with one name it is the newest: an upload under a known name takes its place.
        """
        ready = self.of(scope).where(UploadedFile.state == FileState.READY.value)
        rows = await self._session.scalars(ready.order_by(UploadedFile.created_at, UploadedFile.id))
        found = {row.name: row for row in rows if fnmatch.fnmatchcase(row.name, pattern)}
        return [found[name] for name in sorted(found)]

    async def known(self, scope: TenantScope, file_ids: Collection[UUID]) -> set[UUID]:
        """Those of the ids that are files of the tenant."""
        found = select(UploadedFile.id).where(
            UploadedFile.tenant_id == scope.tenant_id, UploadedFile.id.in_(file_ids)
        )
        return set(await self._session.scalars(found))

    async def named(self, scope: TenantScope, name: str) -> set[UUID]:
        """The ready files of this name."""
        found = select(UploadedFile.id).where(
            UploadedFile.tenant_id == scope.tenant_id,
            UploadedFile.name == name,
            UploadedFile.state == FileState.READY.value,
        )
        return set(await self._session.scalars(found))

    async def abandoned(self, since: datetime, *, most: int) -> Sequence[UploadedFile]:
        """Uploads of all tenants that aren't complete and had no byte since then, the oldest first."""
        found = select(UploadedFile).where(
            UploadedFile.state == FileState.UPLOADING.value, UploadedFile.updated_at < since
        )
        return list(await self._session.scalars(found.order_by(UploadedFile.updated_at).limit(most)))


class WritableFiles(Files, WritableRepository[UploadedFile]):
    """Files in a unit of work."""

    async def advance(
        self, scope: TenantScope, file_id: UUID, *, received: int, sha256: str | None
    ) -> UploadedFile:
        """Record the bytes that are there now; with a hash the file is ready. Raises FileUnknown."""
        state = FileState.UPLOADING if sha256 is None else FileState.READY
        await self._session.execute(
            update(UploadedFile)
            .where(
                UploadedFile.tenant_id == scope.tenant_id,
                UploadedFile.id == file_id,
                UploadedFile.state == FileState.UPLOADING.value,
            )
            .values(received=received, sha256=sha256, state=state.value, updated_at=clock.now())
        )
        return await self.get(scope, file_id)

    async def forget(self, scope: TenantScope, file_ids: Collection[UUID]) -> None:
        """Remove the rows of these files."""
        await self._session.execute(
            delete(UploadedFile).where(
                UploadedFile.tenant_id == scope.tenant_id, UploadedFile.id.in_(file_ids)
            )
        )

    async def abandon(self, scope: TenantScope, file_id: UUID, *, since: datetime) -> bool:
        """Forget an upload, unless it went on since then; whether it is forgotten."""
        gone = await self._session.scalar(
            delete(UploadedFile)
            .where(
                UploadedFile.tenant_id == scope.tenant_id,
                UploadedFile.id == file_id,
                UploadedFile.state == FileState.UPLOADING.value,
                UploadedFile.updated_at < since,
            )
            .returning(UploadedFile.id)
        )
        return gone is not None
