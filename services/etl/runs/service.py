"""What people and programs do with runs: start, watch, cancel, retry. Carrying them out is the runner's."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final, Protocol
from uuid import UUID

from shared.contracts.identity import TenantScope
from shared.db.repository import Page
from shared.db.session import Database
from shared.db.types import utc_now
from shared.errors import Unavailable
from shared.identifiers import RunId, TaskId, TenantId

from .errors import IdempotencyKeyReused, RunActive, RunFinished, RunUnfinished, RunUnknown
from .hints import RunHints
from .models import Run, RunAttempt, RunEvent
from .repository import Lifecycle, NewRun, Now, Runs
from .schemas import NO_PARAMETERS, Runnable, RunParameters, RunQuery
from .states import TERMINAL, State

MAX_ATTEMPTS: Final = 5
_RACES: Final = 5
_BATCH: Final = 200
_LOOK_SECONDS: Final = 1.0


class TaskSource(Protocol):
    """What runs need of tasks."""

    async def runnable(self, scope: TenantScope, task_id: TaskId, parameters: RunParameters) -> Runnable:
        """What a run of the task's newest revision would be; raises when it can't run as it is."""
        ...


class RunsService:
    """Starts, shows and ends runs."""

    def __init__(self, database: Database, tasks: TaskSource, hints: RunHints, *, now: Now = utc_now) -> None:
        self._database = database
        self._tasks = tasks
        self._hints = hints
        self._now = now

    async def start(
        self,
        scope: TenantScope,
        task_id: TaskId,
        *,
        requested_by: UUID,
        idempotency_key: str | None = None,
        queue_behind: bool = False,
        parameters: RunParameters = NO_PARAMETERS,
    ) -> Run:
        """Queue a run of the task's newest revision, as its `parameters` want it.

        The same key with the same request gives the same run again. Raises `RunActive` while another run
        is at work on the same target, unless this one may `queue_behind` it.
        """
        request = _hash("start", task_id, queue_behind=queue_behind, parameters=parameters)
        known = await self._known(scope, idempotency_key, request)
        if known is not None:
            return known
        task = await self._tasks.runnable(scope, task_id, parameters)
        new = replace(
            _new_run(scope.tenant_id, task, requested_by, request),
            idempotency_key=idempotency_key,
            parameters=parameters.model_dump(mode="json", exclude_defaults=True),
            replay_of=parameters.rejects_of,
        )
        return await self._queue(scope, new, queue_behind)

    async def retry(
        self,
        scope: TenantScope,
        run_id: RunId,
        *,
        requested_by: UUID,
        idempotency_key: str | None = None,
        queue_behind: bool = False,
    ) -> Run:
        """Queue a new run that does the same work again, with the revision of the task as it was.

        Raises `RunUnfinished` unless the run is over and did not succeed.
        """
        request = _hash("retry", run_id, queue_behind=queue_behind)
        known = await self._known(scope, idempotency_key, request)
        if known is not None:
            return known
        async with self._database.read() as session:
            old = await Runs(session).get(scope, run_id)
        if State(old.state) not in TERMINAL - {State.SUCCEEDED}:
            raise RunUnfinished(run_id=run_id, state=old.state)
        new = replace(
            _again(old), requested_by=requested_by, request_hash=request, idempotency_key=idempotency_key
        )
        return await self._queue(scope, new, queue_behind)

    async def cancel(self, scope: TenantScope, run_id: RunId) -> Run:
        """Ask for the end of a run. One that has not begun is cancelled at once.

        Another is `cancelling` until its work has ended; when the rows were committed before that, it ends
        as succeeded. Cancelling again changes nothing; `RunFinished` when it is over.
        """
        async with self._database.write() as session:
            lifecycle = Lifecycle(session, self._now)
            run = await lifecycle.locked(run_id)
            if run is None or run.tenant_id != scope.tenant_id:
                raise RunUnknown(run_id=run_id)
            if run.state not in {State.CANCELLING, State.CANCELLED}:
                if State(run.state) in TERMINAL:
                    raise RunFinished(run_id=run_id, state=run.state)
                await lifecycle.cancel(run)
        self._hints.cancels.tell(run.id)
        self._hints.news.tell(run.id)
        return run

    async def get(self, scope: TenantScope, run_id: RunId) -> tuple[Run, Sequence[RunAttempt]]:
        """The run and its attempts; raises `RunUnknown`."""
        async with self._database.read() as session:
            runs = Runs(session)
            return await runs.get(scope, run_id), await runs.attempts(scope, run_id)

    async def list(self, scope: TenantScope, query: RunQuery) -> Page[Run]:
        """The tenant's runs, the newest first."""
        async with self._database.read() as session:
            return await Runs(session).newest(scope, query)

    async def events(
        self, scope: TenantScope, run_id: RunId, *, after: int, limit: int
    ) -> Sequence[RunEvent]:
        """The events numbered higher than `after`; raises `RunUnknown`."""
        async with self._database.read() as session:
            runs = Runs(session)
            await runs.get(scope, run_id)
            return await runs.events(scope, run_id, after=after, limit=limit)

    async def follow(self, scope: TenantScope, run_id: RunId, *, after: int) -> AsyncIterator[RunEvent]:
        """Each event numbered higher than `after` once and in order, until the run is over."""
        with self._hints.news.follow(run_id) as news:
            while True:
                batch = await self.events(scope, run_id, after=after, limit=_BATCH)
                for event in batch:
                    yield event
                    after = event.seq
                if await self._over(scope, run_id, after):
                    return
                if len(batch) < _BATCH:
                    await news.wait(_LOOK_SECONDS)

    async def _over(self, scope: TenantScope, run_id: RunId, seen: int) -> bool:
        async with self._database.read() as session:
            run = await Runs(session).get(scope, run_id)
        return State(run.state) in TERMINAL and seen >= run.event_seq

    async def _known(self, scope: TenantScope, key: str | None, request: str) -> Run | None:
        if key is None:
            return None
        async with self._database.read() as session:
            known = await Runs(session).by_key(scope, key)
        return _same(known, request) if known else None

    async def _queue(self, scope: TenantScope, new: NewRun, queue_behind: bool) -> Run:
        for _ in range(_RACES):
            run = await self._try_to_queue(new, queue_behind)
            # Without a run, another request took the target or the key at the same moment.
            run = run or await self._known(scope, new.idempotency_key, new.request_hash)
            if run is not None:
                self._hints.news.tell(run.id)
                return run
        raise Unavailable(what="The target of this run")

    async def _try_to_queue(self, new: NewRun, queue_behind: bool) -> Run | None:
        async with self._database.write() as session:
            lifecycle = Lifecycle(session, self._now)
            holder = await lifecycle.holder(new.exclusive_key)
            if holder is not None and not _is_same_request(holder, new) and not queue_behind:
                raise RunActive(run_id=holder.id)
            return await lifecycle.create(new, active=holder is None)


def _is_same_request(holder: Run, new: NewRun) -> bool:
    return new.idempotency_key is not None and (
        (holder.tenant_id, holder.idempotency_key) == (new.tenant_id, new.idempotency_key)
    )


def _same(known: Run, request: str) -> Run:
    if known.request_hash != request:
        raise IdempotencyKeyReused(run_id=known.id)
    return known


def _hash(verb: str, subject: UUID, *, queue_behind: bool, parameters: RunParameters = NO_PARAMETERS) -> str:
    request = {"queue_behind": queue_behind} | parameters.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps([verb, str(subject), request], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _new_run(tenant_id: TenantId, task: Runnable, requested_by: UUID, request: str) -> NewRun:
    return NewRun(
        tenant_id=tenant_id,
        task_id=task.task_id,
        task_revision=task.revision,
        task_name=task.name,
        table_id=task.table_id,
        table_key=task.table_key,
        resource_id=task.resource_id,
        exclusive_key=task.exclusive_key,
        requested_by=requested_by,
        request_hash=request,
        max_attempts=MAX_ATTEMPTS,
        timeout_seconds=task.timeout_seconds,
        warnings=[warning.model_dump() for warning in task.warnings],
    )


def _again(old: Run) -> NewRun:
    return NewRun(
        tenant_id=old.tenant_id,
        task_id=old.task_id,
        task_revision=old.task_revision,
        task_name=old.task_name,
        table_id=old.table_id,
        table_key=old.table_key,
        resource_id=old.resource_id,
        exclusive_key=old.exclusive_key,
        requested_by=old.requested_by,
        request_hash=old.request_hash,
        max_attempts=old.max_attempts,
        timeout_seconds=old.timeout_seconds,
        replay_of=RunId(old.id),
        parameters=old.parameters,
    )
