"""What a run of a task that writes a file needs: its name for this run, its place, its bucket."""

import hashlib
from datetime import datetime
from typing import Final

from services.etl.clients import Purpose, ResourceUnknown, SystemClient
from services.etl.destinations.file_save import FileSave
from services.etl.files.service import FileService
from services.etl.pipeline.job import JobFileTarget
from services.etl.runs.repository import Runs
from services.etl.tables.errors import ResourceChangedType, ResourceGone
from shared.clock import now
from shared.contracts.connection import ResourceConnection
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.identifiers import FileId, RunId, TaskId, uuid7

from .errors import FileNameTaken

BUCKET: Final = "s3"
"""The type of the resources that files can be written to."""


class FileTargets:
    """Makes the targets of runs that write files."""

    def __init__(self, database: Database, *, files: FileService, system: SystemClient) -> None:
        self._database = database
        self._files = files
        self._system = system

    async def of_run(
        self, scope: TenantScope, destination: FileSave, *, task_id: TaskId, run_id: RunId
    ) -> JobFileTarget:
        """The file of a run; each call gives it another id in the store.

        Every attempt has the name that the run's own moment gives. Raises FileNameTaken, ResourceGone,
        ResourceChangedType, or what System raises.
        """
        moment, cursor = await self._of_run(scope, task_id, run_id)
        name = destination.name_for(run_id=run_id, moment=moment)
        resource = await self.bucket(scope, destination, purpose="run", run_id=run_id)
        if resource is not None:
            return _target(scope, destination, name, cursor, connection=resource)
        if destination.params.overwrite == "new" and await self._files.is_taken(scope, name):
            raise FileNameTaken(name=name)
        file_id = FileId(uuid7())
        room, path = await self._files.room(scope), str(self._files.path(scope, file_id))
        return _target(scope, destination, name, cursor).model_copy(
            update={"file_id": file_id, "path": path, "max_bytes": room}
        )

    async def bucket(
        self, scope: TenantScope, destination: FileSave, *, purpose: Purpose, run_id: RunId | None = None
    ) -> ResourceConnection | None:
        """The bucket that is written to; None for the tenant's own files. Raises as `of_run`."""
        resource_id = destination.resource_id
        if resource_id is None:
            return None
        try:
            found = await self._system.connection(scope, resource_id, purpose=purpose, subject=run_id)
        except ResourceUnknown:
            raise ResourceGone from None
        if found.connection.type != BUCKET:
            raise ResourceChangedType(found=found.connection.type, expected=BUCKET)
        return found

    async def is_taken(self, scope: TenantScope, destination: FileSave, name: str) -> bool | None:
        """Whether the tenant has a file of this name; None where it is a bucket's to know."""
        return None if destination.resource_id else await self._files.is_taken(scope, name)

    async def _of_run(
        self, scope: TenantScope, task_id: TaskId, run_id: RunId
    ) -> tuple[datetime, str | None]:
        """When the run was asked for, and how far the task's last run has read its source."""
        async with self._database.read() as session:
            runs = Runs(session)
            run = await runs.find(scope, run_id)
            return run.created_at if run else now(), await runs.last_cursor(scope, task_id)


def key_of(scope: TenantScope, destination: FileSave) -> str:
    """What only one run at a time may write to: the file of this name, whatever stands in its places."""
    name = hashlib.sha256(destination.params.name.encode()).hexdigest()
    resource_id = destination.resource_id
    return f"object:{resource_id}:{name}" if resource_id else f"file:{scope.tenant_id}:{name}"


def _target(
    scope: TenantScope,
    destination: FileSave,
    name: str,
    cursor: str | None,
    *,
    connection: ResourceConnection | None = None,
) -> JobFileTarget:
    return JobFileTarget(
        tenant_id=scope.tenant_id,
        name=name,
        form=destination.form,
        overwrite=destination.params.overwrite,
        connection=connection,
        cursor=cursor,
    )
