"""One attempt of a run, from its claim to its end.

The work itself is done by the executor's child. Here the lease is held, progress is written down, and the
work is stopped when somebody cancels the run, its time is over, the lease can't be kept, or the runner
stops. Whatever happened, `Leases.finish` has the last word: it knows by the fence whose run it is.
"""

import asyncio
from dataclasses import replace
from typing import Any, Final

from services.etl.pipeline.job import Counts, Job, JobFileTarget
from services.etl.runner.lease import LeaseKeeper, Stop
from services.etl.runner.means import Means
from services.etl.runner.messages import Failed, Lost, Outcome, Succeeded
from services.etl.runner.notes import NoteKeeper
from services.etl.runner.repository import Claimed, Leases
from services.etl.runs import endings
from services.etl.runs.endings import Ending, Kind, Trouble
from services.etl.runs.states import LEASED, State
from shared.errors import PenstockError, Throttled, Transient
from shared.observe import logs

_log = logs.get(__name__)
_INTERNAL: Final = Trouble(
    "internal_error", "Something went wrong on our side. The run's id finds it in the logs.", Kind.PERMANENT
)


class Attempt:
    """One attempt. `carry_out` returns when the run no longer is this runner's concern."""

    def __init__(self, claimed: Claimed, means: Means, *, claimed_at: float) -> None:
        self._claimed = claimed
        self._means = means
        self._lease = LeaseKeeper(claimed, means, claimed_at=claimed_at, stop=self._stop)
        self._notes = NoteKeeper(claimed, means)
        self._work: asyncio.Task[Ending] | None = None
        self._stopped: Stop | None = None
        self._job: Job | None = None
        self._log = _log.bind(
            tenant_id=str(claimed.scope.tenant_id), run_id=str(claimed.run_id), attempt=claimed.attempt
        )

    async def carry_out(self) -> None:
        """Do the work, keeping the lease, and end the attempt."""
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(self._lease.keep()), group.create_task(self._notes.keep())]
            try:
                ending = self._verdict() if self._claimed.settling else await self._worked(group)
                if ending is not None:
                    await self._finish(ending)
            finally:
                for keeper in keepers:
                    keeper.cancel()

    def release(self) -> None:
        """Stop the work and give the run back, uncharged: this runner is going down."""
        self._stop(Stop.SHUTDOWN)

    def _stop(self, why: Stop) -> None:
        if self._stopped is None or why is Stop.LEASE_LOST:
            self._stopped = why
        # Once: a second cancellation would interrupt the executor while it ends its child.
        if self._work is not None and not self._work.done() and not self._work.cancelling():
            self._log.info("attempt_stopped", reason=why.value)
            self._work.cancel()

    async def _worked(self, group: asyncio.TaskGroup) -> Ending | None:
        self._work = group.create_task(self._load())
        if self._stopped is not None:
            self._work.cancel()
        loop = asyncio.get_running_loop()
        time_out = loop.call_later(max(self._claimed.seconds_left, 0.0), self._stop, Stop.TIMEOUT)
        try:
            await asyncio.wait({self._work})
        finally:
            time_out.cancel()
        return self._stopped_ending() if self._work.cancelled() else self._work.result()

    def _stopped_ending(self) -> Ending | None:
        match self._stopped:
            case Stop.CANCEL:
                return endings.stopped()
            case Stop.TIMEOUT:
                return endings.out_of_time(self._claimed.timeout_seconds)
            case Stop.SHUTDOWN:
                return endings.released()
            case _:
                # The next attempt finds out what became of it.
                self._log.warning("lease_lost")
                return None

    def _verdict(self) -> Ending:
        """The end of a run that is not to be tried again, if the target has nothing of it."""
        if self._claimed.cancelling:
            return endings.stopped()
        if self._claimed.seconds_left <= 0:
            return endings.out_of_time(self._claimed.timeout_seconds)
        return self._failed(endings.lost("its runner stopped answering"))

    async def _load(self) -> Ending:
        try:
            outcome = await self._means.executor.execute(await self._built_job(), self._notes.take)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            outcome = Lost(reason="it was cancelled from within")
        except PenstockError as error:
            return self._ending_by(error)
        except Exception as error:  # noqa: BLE001 - a bug fails its run, not the runner
            self._log.exception("attempt_crashed", kind=type(error).__name__)
            return self._failed(_INTERNAL)
        return self._ending_of(outcome)

    def _ending_of(self, outcome: Outcome) -> Ending:
        match outcome:
            case Succeeded():
                return self._success(outcome)
            case Failed(counts=counts):
                kind = Kind.TRANSIENT if outcome.transient else Kind.PERMANENT
                trouble = Trouble(outcome.code, outcome.message, kind, loc=outcome.loc, step=outcome.step)
                ending = replace(self._failed(trouble), counts=_plain(counts) if counts else None)
                # The answer to a COMMIT that was sent may be what got lost.
                in_doubt = outcome.transient and self._notes.committing
                return replace(ending, outcome=endings.Outcome.LOST) if in_doubt else ending
            case Lost(reason=reason, peak_memory_mb=peak):
                at_peak = f", with {peak} MiB at its peak" if peak else ""
                return self._failed(endings.lost(f"{reason}{at_peak}"))

    def _success(self, found: Succeeded) -> Ending:
        ending = endings.success(_plain(found.counts), adopted=found.adopted)
        if found.file is None:
            return ending
        target = self._job.target if self._job else None
        replaces = isinstance(target, JobFileTarget) and target.overwrite == "replace"
        return replace(ending, file=found.file.model_dump(mode="json"), replaces=replaces)

    def _ending_by(self, error: PenstockError) -> Ending:
        """Without a job nothing has begun: what may pass is then trouble of our own services."""
        if self._job is None and isinstance(error, Transient):
            times = self._claimed.attempt - self._claimed.charged + 1
            return endings.postponed(_trouble_of(error), times=times, jitter=self._means.jitter)
        return self._failed(_trouble_of(error))

    def _failed(self, trouble: Trouble) -> Ending:
        return endings.failure(
            trouble,
            charged=self._claimed.charged,
            maximum=self._claimed.max_attempts,
            jitter=self._means.jitter,
        )

    async def _settled(self, otherwise: Ending) -> Ending:
        """The target's word: success when the rows are there, `otherwise` when they never will be."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._means.timing.settle
        while loop.time() < give_up:
            try:
                async with asyncio.timeout_at(give_up):
                    found = await self._means.executor.settle(await self._built_job())
            except TimeoutError:
                self._log.warning("settling_given_up", reason="the target does not answer")
                break
            except Transient as error:
                self._log.warning("settling_delayed", reason=str(error))
                await asyncio.sleep(self._means.timing.again)
            except Exception as error:  # noqa: BLE001 - the run has to end all the same
                self._log.exception("settling_failed", kind=type(error).__name__)
                break
            else:
                if found is not None:
                    return self._success(found)
                return replace(otherwise, settled=True)
        return replace(otherwise, trouble=otherwise.trouble or endings.UNSETTLED, settled=True)

    async def _built_job(self) -> Job:
        if self._job is None:
            claimed = self._claimed
            spec = await self._means.jobs.job_of(
                claimed.scope,
                claimed.task_id,
                claimed.task_revision,
                run_id=claimed.run_id,
                parameters=claimed.parameters,
            )
            self._job = spec.for_attempt(
                run_id=claimed.run_id,
                attempt=claimed.attempt,
                fence=claimed.fence,
                table_key=claimed.table_key,
            )
        return self._job

    async def _finish(self, ending: Ending) -> None:
        state = await self._write_end(ending)
        if state in LEASED:
            # Refused: the run is not over before the target has said what it holds of it.
            ending = await self._settled(endings.stopped() if state is State.CANCELLING else ending)
            state = await self._write_end(ending)
        if state is State.SUCCEEDED and not ending.adopted:
            await self._notes.drop_earlier()
        self._means.hints.news.tell(self._claimed.run_id)
        outcome = state.value if state else "not ours any more"
        log = self._log.warning if ending.trouble else self._log.info
        trouble = ending.trouble
        log(
            "attempt_ended",
            state=outcome,
            outcome=ending.outcome.value,
            adopted=ending.adopted,
            code=trouble.code if trouble else None,
            # What is for good may name values of the tenant's rows.
            reason=trouble.message if trouble and trouble.kind is not Kind.PERMANENT else None,
            task_id=str(self._claimed.task_id),
        )

    async def _write_end(self, ending: Ending) -> State | None:
        """Write the end down; without the database, until the lease is over and the reaper decides."""
        while self._lease.may_hold():
            try:
                await self._notes.write()
                async with self._means.database.write() as session:
                    leases = Leases(session, self._means.now)
                    return await leases.finish(self._claimed, ending)
            except Transient as error:
                self._log.warning("finish_delayed", reason=str(error))
                await asyncio.sleep(self._means.timing.again)
        return None


def _trouble_of(error: PenstockError) -> Trouble:
    faults = error.all_faults()
    loc = faults[0].loc if faults else ()
    if isinstance(error, Throttled):
        kind, wait = Kind.THROTTLED, error.facts.get("retry_after")
        return Trouble(error.code(), str(error), kind, loc=loc, retry_after=wait)
    kind = Kind.TRANSIENT if isinstance(error, Transient) else Kind.PERMANENT
    return Trouble(error.code(), str(error), kind, loc=loc)


def _plain(counts: Counts) -> dict[str, Any]:
    return counts.model_dump(mode="json")
