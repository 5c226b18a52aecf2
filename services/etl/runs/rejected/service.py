"""The rejected rows of runs: shown, given out, and tried again."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from services.etl.runs.models import Run
from services.etl.runs.repository import Runs
from services.etl.runs.schemas import RunParameters
from services.etl.runs.service import RunsService
from services.etl.runs.states import TERMINAL, State
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.identifiers import FileId, RunId, TaskId

from .errors import RejectsNotReplayable, RejectsReplayed
from .schemas import Form, RejectView
from .store import Kept, RejectFile, RejectStore

_AT_ONCE: Final = 500
"""Rows that are read, and sent, in one go."""


class ReplayedTasks(Protocol):
    """What a replay must know of tasks."""

    async def replayed_file(
        self, scope: TenantScope, task_id: TaskId, revision: int, *, parameters: RunParameters, run_id: RunId
    ) -> FileId:
        """The file that a run of this revision has read.

        Raises RejectsNotReplayable where its records don't name the same rows for the newest revision.
        """


class RejectedRows:
    """Rejected rows of a tenant's runs."""

    def __init__(
        self, database: Database, *, store: RejectStore, runs: RunsService, tasks: ReplayedTasks
    ) -> None:
        self._database = database
        self._store = store
        self._runs = runs
        self._tasks = tasks

    async def listed(
        self, scope: TenantScope, run_id: RunId, *, after: int, limit: int
    ) -> Sequence[RejectView]:
        """The rows that are kept, behind the first `after` ones. Raises RunUnknown."""
        kept, file = self._kept(await self._run(scope, run_id))
        most = min(kept.rows, after + limit)
        return await asyncio.to_thread(
            lambda: [_view(row, kept) for row in file.rows(after=after, most=most)]
        )

    async def download(self, scope: TenantScope, run_id: RunId, form: Form) -> AsyncIterator[bytes]:
        """All rows that are kept, written in a form, piece by piece. Raises RunUnknown before the first."""
        kept, file = self._kept(await self._run(scope, run_id))
        return _pieces(_WRITTEN[form](file, kept))

    async def replay(
        self,
        scope: TenantScope,
        run_id: RunId,
        *,
        requested_by: UUID,
        idempotency_key: str | None = None,
        queue_behind: bool = False,
    ) -> Run:
        """Queue a run of the task's newest revision over the records that a run has rejected.

        Raises RunUnknown, RejectsReplayed, RejectsNotReplayable, and what starting a run raises.
        """
        run = await self._run(scope, run_id)
        kept, _ = self._kept(run)
        if reason := _refusal(run, kept):
            raise RejectsNotReplayable(run_id=run_id, reason=reason)
        await self._require_first(scope, run, idempotency_key)
        file_id = await self._tasks.replayed_file(
            scope,
            run.task_id,
            run.task_revision,
            parameters=RunParameters.model_validate(run.parameters),
            run_id=run_id,
        )
        parameters = RunParameters(file_id=file_id, rejects_of=run_id)
        return await self._runs.start(
            scope,
            run.task_id,
            requested_by=requested_by,
            idempotency_key=idempotency_key,
            queue_behind=queue_behind,
            parameters=parameters,
        )

    async def _require_first(self, scope: TenantScope, run: Run, key: str | None) -> None:
        """Loading the same records twice would double their rows."""
        async with self._database.read() as session:
            earlier = await Runs(session).replay_of_rejects(scope, run)
        if earlier is not None and (key is None or earlier.idempotency_key != key):
            raise RejectsReplayed(run_id=earlier.id)

    async def _run(self, scope: TenantScope, run_id: RunId) -> Run:
        async with self._database.read() as session:
            return await Runs(session).get(scope, run_id)

    def _kept(self, run: Run) -> tuple[Kept, RejectFile]:
        kept = Kept(**run.rejects) if run.rejects else Kept(attempt=run.attempt, rows=0, complete=True)
        return kept, self._store.file(run.tenant_id, run.id, kept.attempt)


async def records_of(database: Database, store: RejectStore, scope: TenantScope, run_id: RunId) -> list[int]:
    """The numbers of the records that a run has rejected, each once and in order. Raises RunUnknown."""
    async with database.read() as session:
        run = await Runs(session).get(scope, run_id)
    if not run.rejects:
        return []
    kept = Kept(**run.rejects)
    file = store.file(run.tenant_id, run.id, kept.attempt)
    return await asyncio.to_thread(lambda: sorted({row["record"] for row in file.rows(most=kept.rows)}))


def _refusal(run: Run, kept: Kept) -> str | None:
    if State(run.state) not in TERMINAL:
        return "the run isn't over"
    if State(run.state) is not State.SUCCEEDED:
        return "the run has loaded nothing; retry it as a whole"
    if not kept.rows:
        return "there are none"
    return None if kept.complete else "not all of them were kept"


def _view(row: dict[str, object], kept: Kept) -> RejectView:
    return RejectView.model_validate({**row, "attempt": kept.attempt})


def _ndjson(file: RejectFile, kept: Kept) -> Iterator[bytes]:
    return file.lines(most=kept.rows)


def _csv(file: RejectFile, kept: Kept) -> Iterator[bytes]:
    names = [name for name in RejectView.model_fields if name != "attempt"]
    yield _line(names)
    for row in file.rows(most=kept.rows):
        yield _line([row.get(name) for name in names])


def _line(values: Sequence[object]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().encode()


_WRITTEN: Final[dict[Form, Callable[[RejectFile, Kept], Iterator[bytes]]]] = {
    Form.NDJSON: _ndjson,
    Form.CSV: _csv,
}


async def _pieces(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The lines, some hundred at a time, read in another thread."""
    while piece := await asyncio.to_thread(lambda: b"".join(islice(lines, _AT_ONCE))):
        yield piece
