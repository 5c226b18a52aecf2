"""The local executor: runs the data path of jobs in child processes, one for each slot.

This process never loads pandas or pyarrow; what a handler does to the interpreter, to memory or to the
process is the child's trouble alone.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from shared.security.guard import OutboundPolicy

from services.etl.pipeline.job import Job
from services.etl.previews.definition import PreviewResult, PreviewSpec
from services.etl.runner.messages import ChildMessage, Outcome, Succeeded

OnMessage = Callable[[ChildMessage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """Bounds of the children. Times in seconds, memory in MiB."""

    slots: int = 1
    recycle_after: int = 50
    recycle_above_mb: int = 512
    idle_seconds: float = 60.0
    start_seconds: float = 30.0
    soft_cancel_seconds: float = 3.0


class Executor:
    """Runs jobs and previews in child processes.

    At most `limits.slots` at a time; more wait. Cancelling the task that awaits `execute` or `preview` ends
    the work: softly at first, within five seconds in any case.
    """

    def __init__(self, *, policy: OutboundPolicy, limits: ExecutorLimits = ExecutorLimits()) -> None:
        self._policy = policy
        self._limits = limits

    async def start(self) -> None:
        """Get ready. Children are spawned with the first work and kept warm between jobs."""

    async def close(self) -> None:
        """End all children; work that is under way is reported as lost."""

    async def execute(self, job: Job, on_message: OnMessage) -> Outcome:
        """Run the data path of one attempt; `on_message` gets what the child tells meanwhile, in order."""
        raise NotImplementedError

    async def settle(self, job: Job) -> Succeeded | None:
        """Learn what the target says of a run whose child is gone, and make the answer final.

        Ends sessions of the run that are still there and raises the fence to the job's, so that nothing of an
        earlier attempt can commit any more. None means that nothing was written. Raises Unavailable when the
        target can't be asked within ten seconds.
        """
        raise NotImplementedError

    async def preview(self, spec: PreviewSpec) -> PreviewResult:
        """Look at the beginning of a source. Raises PreviewFailed."""
        raise NotImplementedError
