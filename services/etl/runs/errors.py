from collections.abc import Mapping
from typing import Any

from shared.errors import Conflict, NotFound


class RunUnknown(NotFound):
    """There is no run {run_id}."""


class RunInTheWay(Conflict):
    """Run {run_id} is in the way."""

    def problem_members(self) -> Mapping[str, Any]:
        """The run's id, for programs."""
        return {"run_id": str(self.facts["run_id"])}


class RunActive(RunInTheWay):
    """Run {run_id} is still at work on this target; wait for it, cancel it, or ask to queue behind it."""


class IdempotencyKeyReused(RunInTheWay):
    """This Idempotency-Key was used before, for another request: run {run_id}."""


class RunFinished(Conflict):
    """Run {run_id} is over: it is {state}."""


class RunUnfinished(Conflict):
    """Run {run_id} is {state}; only a run that failed, was cancelled or timed out can be retried."""
