"""One job in the child: source, handlers and target brought together, counted and committed once."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from services.etl.columns import Columns
from services.etl.destinations._target import Encoded, Surroundings, Target, Written
from services.etl.loaders._base import Reading, Source
from services.etl.pipeline.errors import JobCancelled, JobTimedOut, SourceInvalid, TargetBusy
from services.etl.pipeline.flow import Flow, columns_written
from services.etl.pipeline.job import Counts, Job
from services.etl.pipeline.overlap import Overlap
from services.etl.pipeline.registry import steps
from services.etl.pipeline.sources import lookups_of, source_of
from services.etl.pipeline.stages import Means
from services.etl.pipeline.tally import Tally
from services.etl.pipeline.targets import target_for
from services.etl.pipeline.validate import Built, build
from services.etl.runner.messages import ChildMessage, Failed, Phase, Progress, Rejects, Succeeded
from services.etl.runner.scratch import full
from shared.errors import PenstockError, Transient
from shared.security.guard import OutboundPolicy

T = TypeVar("T")
Tell = Callable[[ChildMessage], None]
PROGRESS_SECONDS: Final = 0.25
REJECTS_AT_ONCE: Final = 500
COMMIT_SECONDS: Final = 20.0
"""How long the answer to a commit is waited for once the job is to end."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """The outcome of a job. `tainted`: a thread of it still works, so this process is no good for another."""

    outcome: Succeeded | Failed
    tainted: bool = False


async def run(job: Job, *, policy: OutboundPolicy, tell: Tell, scratch: Path | None = None) -> Ended:
    """Run a job to its outcome. Never raises; cancelling the task is an outcome too."""
    load = _Load(job, policy, tell, scratch)
    try:
        async with asyncio.timeout(job.limits.timeout_seconds):
            outcome: Succeeded | Failed = await load.run()
    except TimeoutError:
        outcome = failed(JobTimedOut(seconds=job.limits.timeout_seconds))
    except asyncio.CancelledError:
        outcome = failed(JobCancelled())
    except PenstockError as error:
        outcome = failed(error)
    except OSError as error:
        if (no_room := full(error)) is None:
            _log.exception("the source broke")
        outcome = failed(no_room or SourceInvalid(reason="the file could not be read to its end"))
    except Exception:  # noqa: BLE001  whatever it is, the runner must hear of an end
        _log.exception("the job failed")
        outcome = Failed(code="internal_error", message="The job failed for an unknown reason.")
    tainted = not await _undisturbed(load.stopped())
    return Ended(load.completed(outcome), tainted=tainted)


def failed(error: PenstockError) -> Failed:
    """The outcome for an error."""
    faults = error.all_faults()
    return Failed(
        code=error.code(),
        message=str(error),
        loc=faults[0].loc if faults else error.loc,
        faults=faults,
        transient=isinstance(error, Transient),
        step=error.facts.get("step"),
    )


async def _committed(target: Target, counts: Counts) -> None:
    """Commit. Whatever ends the job meanwhile, the target's answer alone says what became of the rows."""
    committing, patience = asyncio.ensure_future(target.commit(counts)), None
    while not committing.done():
        try:
            await asyncio.wait({committing}, timeout=patience)
        except asyncio.CancelledError:
            patience = COMMIT_SECONDS
        else:
            if not committing.done():
                committing.cancel()
                await asyncio.gather(committing, return_exceptions=True)
                raise TargetBusy(reason="it did not answer to the commit in time")
    committing.result()


async def _undisturbed(waiting: Awaitable[T]) -> T:
    """What this gives, whoever cancels the job meanwhile: it has its outcome by now."""
    task = asyncio.ensure_future(waiting)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


class _Load:
    def __init__(self, job: Job, policy: OutboundPolicy, tell: Tell, scratch: Path | None) -> None:
        self._job = job
        self._scratch = scratch
        self._policy = policy
        self._tell = tell
        self._flow: Flow | None = None
        self._overlap: Overlap[Encoded] | None = None
        self._told = 0.0

    async def run(self) -> Succeeded:
        self._tell(Phase(name="preparing"))
        built = build(self._job, steps())
        target = self._target(columns_written(self._job, built))
        try:
            done = await target.prepare()
            if done is not None:
                return Succeeded(counts=done, adopted=True, file=target.file)
            with built.loader.open(await self._source(built, target)) as reading:
                counts = await self._carried(built, reading, target)
                return Succeeded(counts=counts, file=target.file)
        finally:
            await asyncio.shield(target.abandon())

    async def _source(self, built: Built, target: Target) -> Source:
        resumes = built.loader.incremental and self._job.stream is not None and not self._job.restart
        cursor = await target.last_cursor() if resumes else None
        return source_of(self._job.source, policy=self._policy, cursor=cursor, scratch=self._scratch)

    async def _carried(self, built: Built, reading: Reading, target: Target) -> Counts:
        self._flow = flow = Flow(self._job, built, reading, self._means(built))
        written = await self._write(flow, reading, target)
        counts = flow.tally.final(written, bytes_read=flow.bytes_read, size=reading.size)
        counts.cursor = reading.cursor
        self._tell(Phase(name="committing"))
        await _committed(target, counts)
        return counts

    def _means(self, built: Built) -> Means:
        lookups = lookups_of(built, self._job.lookups, policy=self._policy, scratch=self._scratch)
        return Means(scratch=self._scratch, lookups=lookups)

    async def stopped(self) -> bool:
        """Whether the pipeline's thread has ended."""
        return self._overlap is None or await self._overlap.finished(seconds=1.0)

    def completed(self, outcome: Succeeded | Failed) -> Succeeded | Failed:
        """The outcome after all rejected rows were told; a failure tells how far it came."""
        if self._flow is not None:
            self._tell_rejects(self._flow.tally)
        if isinstance(outcome, Failed) and self._flow is not None:
            counts = self._flow.tally.counts(bytes_read=self._flow.bytes_done)
            return outcome.model_copy(update={"counts": counts})
        return outcome

    def _target(self, columns: Columns) -> Target:
        kind = target_for(self._job.target.engine)
        return kind(self._job, columns, Surroundings(self._policy, self._tell, self._scratch))

    async def _write(self, flow: Flow, reading: Reading, target: Target) -> Written:
        self._tell(Phase(name="loading"))
        straight = None if self._job.steps else await target.straight(reading)
        items = self._encoded(flow, target) if straight is None else self._passed_on(flow, straight)
        async with Overlap(items) as overlap:
            self._overlap = overlap
            return await target.write(aiter(overlap))

    def _encoded(self, flow: Flow, target: Target) -> Iterator[Encoded]:
        sent = 0
        for rows in flow:
            if len(rows.batch):
                yield target.encode(rows)
                sent += len(rows.batch)
            self._tell_rejects(flow.tally)
            self._tell_progress(flow, sent)
        self._tell_rejects(flow.tally)
        self._told = 0.0
        self._tell_progress(flow, sent)

    def _passed_on(self, flow: Flow, items: Iterator[Encoded]) -> Iterator[Encoded]:
        """Rows that nobody looks at: they are counted by the source, and by the target."""
        rows = 0
        for item in items:
            yield item
            rows += item.rows
            self._tell_progress(flow, rows)
        flow.passed_on(rows)
        self._told = 0.0
        self._tell_progress(flow, rows)

    def _tell_rejects(self, tally: Tally) -> None:
        rejects = tally.fresh_rejects()
        for start in range(0, len(rejects), REJECTS_AT_ONCE):
            self._tell(Rejects(rejects=rejects[start : start + REJECTS_AT_ONCE]))
        if unkept := tally.fresh_unkept():
            self._tell(Rejects(unkept=unkept))

    def _tell_progress(self, flow: Flow, sent: int) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            tally, total = flow.tally, flow.size
            self._tell(
                Progress(
                    read=tally.read, written=sent, rejected=tally.rejected,
                    bytes_read=flow.bytes_done, bytes_total=total, rows_total=flow.rows_expected,
                )
            )  # fmt: skip
