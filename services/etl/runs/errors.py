from shared.errors import Conflict, NotFound


class RunUnknown(NotFound):
    """There is no run {run_id}."""


class RunActive(Conflict):
    """Run {run_id} is still at work on this target; wait for it, cancel it, or ask to queue behind it."""


class RunFinished(Conflict):
    """Run {run_id} is over: it is {state}."""


class RunUnfinished(Conflict):
    """Run {run_id} is {state}; only a run that failed, was cancelled or timed out can be retried."""


class IdempotencyKeyReused(Conflict):
    """This Idempotency-Key was used before, for another request: run {run_id}."""
