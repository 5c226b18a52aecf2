from services.etl.runs.errors import RunInTheWay
from shared.errors import Conflict


class RejectsNotReplayable(Conflict):
    """The rejected rows of run {run_id} can't be replayed: {reason}."""


class RejectsReplayed(RunInTheWay):
    """Run {run_id} has these rejected rows already; what it rejects itself can be replayed."""
