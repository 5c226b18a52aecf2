"""From a loader and its parameters to what it reads from, as the runner gets it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from services.etl.clients import Purpose, ResourceUnknown, SystemClient
from services.etl.files.errors import FileUnknown
from services.etl.files.service import FileService, StoredFile
from services.etl.loaders._base import Needs
from services.etl.pipeline.job import JobFile, JobSource
from services.etl.tables.errors import ResourceGone
from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.contracts.identity import TenantScope
from shared.engines import sqlite
from shared.identifiers import FileId, ResourceId

from .errors import NoFileFits, SourceGone


class Sources:
    """Finds what loaders read from. What it gives may hold connection info: it is never written down."""

    def __init__(self, *, files: FileService, system: SystemClient, sqlite_root: Path | None) -> None:
        self._files = files
        self._system = system
        self._sqlite_root = sqlite_root

    async def found(
        self,
        scope: TenantScope,
        loader: str,
        params: dict[str, Any],
        *,
        needs: Needs,
        purpose: Purpose,
        subject: UUID | None = None,
    ) -> JobSource:
        """The source of a loader. Raises SourceGone, NoFileFits or ResourceGone, or what System says.

        `purpose` and `subject` are for System's record of who was given connection info.
        """
        resource = None
        if needs.resource_id is not None:
            resource = await self._resource(scope, needs.resource_id, purpose, subject)
        return JobSource(
            loader=loader,
            params=params,
            files=[_file(file) for file in await self._found_files(scope, needs)],
            connection=resource,
            sqlite_path=self.sqlite_path(resource) if resource else None,
        )

    def sqlite_path(self, resource: ResourceConnection) -> str | None:
        """The path of the file of an SQLite resource."""
        if not isinstance(resource.connection, SqliteConnection):
            return None
        return str(sqlite.path_of(self._sqlite_root, resource))

    async def _found_files(self, scope: TenantScope, needs: Needs) -> Sequence[StoredFile]:
        if needs.file_id is not None:
            try:
                return [await self._files.ready(scope, FileId(needs.file_id))]
            except FileUnknown:
                raise SourceGone from None
        if needs.pattern is None or needs.resource_id is not None:
            return []
        files = await self._files.matching(scope, needs.pattern)
        if not files:
            raise NoFileFits(pattern=needs.pattern)
        return files

    async def _resource(
        self, scope: TenantScope, resource_id: UUID, purpose: Purpose, subject: UUID | None
    ) -> ResourceConnection:
        try:
            return await self._system.connection(
                scope, ResourceId(resource_id), purpose=purpose, subject=subject
            )
        except ResourceUnknown:
            raise ResourceGone from None


def _file(file: StoredFile) -> JobFile:
    return JobFile(name=file.name, path=str(file.path), size=file.size, sha256=file.sha256)
