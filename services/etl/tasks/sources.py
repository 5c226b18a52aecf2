"""From a loader and its parameters to what it reads from, as the runner gets it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from services.etl.clients import Purpose, ResourceUnknown, SystemClient
from services.etl.files.errors import FileUnknown
from services.etl.files.service import FileService, StoredFile
from services.etl.loaders._base import Needs
from services.etl.pipeline.job import JobFile, JobSource
from services.etl.pipeline.validate import Built, Pipeline, lookup_key
from services.etl.tables.errors import ResourceGone, ResourceNotFound
from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.contracts.identity import TenantScope
from shared.engines import sqlite
from shared.errors import Loc
from shared.identifiers import FileId, ResourceId

from .errors import FileNotFound, FilesNotFound, NoFileFits, SourceGone, SourceUnsuitable


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
        """The source of a loader. Raises SourceGone, NoFileFits, ResourceGone, SourceUnsuitable, or what
        System says.

        `purpose` and `subject` are for System's record of who was given connection info.
        """
        resource = None
        if needs.resource_id is not None:
            resource = await self._resource(scope, needs.resource_id, purpose, subject)
            require_type(resource, needs)
        return JobSource(
            loader=loader,
            params=params,
            files=[_file(file) for file in await self._found_files(scope, needs)],
            connection=resource,
            sqlite_path=self.sqlite_path(resource) if resource else None,
        )

    async def lookups(
        self,
        scope: TenantScope,
        built: Built | Pipeline,
        *,
        purpose: Purpose,
        subject: UUID | None = None,
        loc: Loc = (),
    ) -> dict[str, JobSource]:
        """The further sources of the steps, by their keys.

        Raises FileNotFound, FilesNotFound, ResourceNotFound or SourceUnsuitable at the parameter of the
        step, below `loc`.
        """
        found = {}
        for at, handler in enumerate(built.handlers):
            for name, given in handler.lookups().items():
                key = lookup_key(at, name)
                needs = built.lookups[key].needs()
                with placed(needs, (*loc, "steps", at, "params", name, "params")):
                    found[key] = await self.found(
                        scope, given.loader, given.params, needs=needs, purpose=purpose, subject=subject
                    )
        return found

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


def require_type(resource: ResourceConnection, needs: Needs, *, loc: Loc = ()) -> None:
    """Raises SourceUnsuitable at `loc` for a resource that the loader can't read from."""
    found, known = resource.connection.type, needs.resource_types
    if found not in known:
        raise SourceUnsuitable(loc=loc, known=" or ".join(known), found=found)


@contextmanager
def placed(needs: Needs, loc: Loc) -> Iterator[None]:
    """Tell what isn't there, or is something else, as a fault of the parameter below `loc` that names it."""
    try:
        yield
    except SourceGone:
        raise FileNotFound(file_id=needs.file_id, loc=(*loc, "file_id")) from None
    except NoFileFits:
        raise FilesNotFound(pattern=needs.pattern, loc=(*loc, "pattern")) from None
    except ResourceGone:
        raise ResourceNotFound(resource_id=needs.resource_id, loc=(*loc, "resource_id")) from None
    except SourceUnsuitable as error:
        raise SourceUnsuitable(loc=(*loc, "resource_id"), **error.facts) from None


def _file(file: StoredFile) -> JobFile:
    return JobFile(name=file.name, path=str(file.path), size=file.size, sha256=file.sha256)
