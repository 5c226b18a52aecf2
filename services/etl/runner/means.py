"""What a runner works with: the ports it needs, and its times."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from services.etl.pipeline.job import Job, JobSpec
from services.etl.runner.messages import ChildMessage, Outcome, Succeeded
from services.etl.runs.endings import Jitter
from services.etl.runs.hints import RunHints
from services.etl.runs.rejected.store import RejectStore
from services.etl.runs.repository import Now
from services.etl.runs.schemas import RunParameters
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.db.types import utc_now
from shared.identifiers import RunId, TaskId


class JobSource(Protocol):
    """Makes the job of a run when it begins, so that it never holds older connection info."""

    async def job_of(
        self,
        scope: TenantScope,
        task_id: TaskId,
        revision: int,
        *,
        run_id: RunId,
        parameters: RunParameters,
    ) -> JobSpec: ...


class JobExecutor(Protocol):
    """Carries out jobs; see `services.etl.runner.executor.Executor` for what the methods promise."""

    async def execute(self, job: Job, on_message: Callable[[ChildMessage], Awaitable[None]]) -> Outcome: ...

    async def settle(self, job: Job) -> Succeeded | None: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A runner that could not renew for `self_fence` stops, well before the lease is over."""

    heartbeat: float = 5.0
    self_fence: float = 20.0
    note: float = 1.0
    settle: float = 60.0
    again: float = 1.0


def full_jitter(longest: float) -> float:
    """Anything from nothing to the longest wait: many that failed together do not come back together."""
    return random.uniform(0.0, longest)  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True, slots=True)
class Means:
    """What a runner works with."""

    database: Database
    jobs: JobSource
    executor: JobExecutor
    hints: RunHints
    rejects: RejectStore
    timing: Timing = field(default_factory=Timing)
    jitter: Jitter = full_jitter
    now: Now = utc_now
