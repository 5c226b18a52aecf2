"""What a run has written becomes a file of its tenant, in the unit of work that notes its success."""

from services.etl.files.models import UploadedFile
from services.etl.files.repository import WritableFiles
from services.etl.files.states import FileState
from services.etl.pipeline.job import WrittenFile
from services.etl.runs.endings import Ending, Kind, Outcome, Trouble
from services.etl.runs.states import Event
from services.etl.tasks.errors import FileNameTaken
from services.etl.tasks.repository import files_read
from shared.contracts.identity import TenantScope
from shared.db.session import WriteSession


async def keep(session: WriteSession, scope: TenantScope, ending: Ending) -> Ending:
    """Make the file of a success known, if it is one of the store; the ending that there is then.

    Where it replaces those of its name, they are forgotten. Where there must be none, a file that has come
    meanwhile makes it a failure: the bytes of the new one go with the next sweep.

    Those that a task reads by their id stay. The bytes of the forgotten ones go with the next sweep, so that
    who has just begun to read them can. What lies in a bucket is not the store's business.
    """
    written = WrittenFile.model_validate(ending.file) if ending.file else None
    if written is None or written.file_id is None:
        return ending
    files = WritableFiles(session)
    named = await files.named(scope, written.name)
    if named and not ending.replaces:
        taken = Trouble(FileNameTaken.code(), str(FileNameTaken(name=written.name)), Kind.PERMANENT)
        return Ending(Event.FAIL, Outcome.FAILED, taken, counts=ending.counts, settled=True)
    if named:
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
    return ending
