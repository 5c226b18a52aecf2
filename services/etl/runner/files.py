"""What a run has written becomes a file of its tenant, in the unit of work that notes its success."""

from typing import Any

from services.etl.files.models import UploadedFile
from services.etl.files.repository import WritableFiles
from services.etl.files.states import FileState
from services.etl.pipeline.job import WrittenFile
from services.etl.tasks.repository import files_read
from shared.contracts.identity import TenantScope
from shared.db.session import WriteSession


async def keep(session: WriteSession, scope: TenantScope, found: dict[str, Any], *, replaces: bool) -> None:
    """Make a written file of the store known, and with `replaces` forget the others of its name.

    Those that a task reads by their id stay. The bytes of the forgotten ones go with the next sweep, so that
    who has just begun to read them can. What lies in a bucket is not the store's business.
    """
    written = WrittenFile.model_validate(found)
    if written.file_id is None:
        return
    files = WritableFiles(session)
    if replaces:
        named = await files.named(scope, written.name)
        await files.forget(scope, named - await files_read(session, scope, named))
    await files.add(
        UploadedFile(
            id=written.file_id,
            tenant_id=scope.tenant_id,
            name=written.name,
            size=written.size,
            received=written.size,
            state=FileState.READY.value,
            sha256=written.sha256,
        )
    )
