"""The life of a run, as a table.

Every change of a run's state anywhere goes through `advance`. Terminal states lead nowhere: a run that
is over stays as it is, and doing its work again is a new run.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.errors import Conflict


class State(StrEnum):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    RETRY_WAIT = "retry_wait"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    DEAD = "dead"


class Event(StrEnum):
    """What can happen to a run.

    `settle` is a cancel while no runner holds the run, but an attempt before was cut off: only the target
    knows whether it had committed. `take_over` is a runner that comes to ask it.
    """

    CLAIM = "claim"
    TAKE_OVER = "take_over"
    RETRY = "retry"
    DUE = "due"
    CANCEL = "cancel"
    SETTLE = "settle"
    STOP = "stop"
    SUCCEED = "succeed"
    FAIL = "fail"
    TIME_OUT = "time_out"
    EXHAUST = "exhaust"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.QUEUED, Event.CLAIM): State.RUNNING,
    (State.QUEUED, Event.CANCEL): State.CANCELLED,
    (State.QUEUED, Event.SETTLE): State.CANCELLING,
    (State.QUEUED, Event.TIME_OUT): State.TIMED_OUT,
    (State.RUNNING, Event.TAKE_OVER): State.RUNNING,
    (State.RUNNING, Event.RETRY): State.RETRY_WAIT,
    (State.RUNNING, Event.CANCEL): State.CANCELLING,
    (State.RUNNING, Event.SUCCEED): State.SUCCEEDED,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.TIME_OUT): State.TIMED_OUT,
    (State.RUNNING, Event.EXHAUST): State.DEAD,
    (State.RETRY_WAIT, Event.DUE): State.QUEUED,
    (State.RETRY_WAIT, Event.CANCEL): State.CANCELLED,
    (State.RETRY_WAIT, Event.SETTLE): State.CANCELLING,
    (State.RETRY_WAIT, Event.TIME_OUT): State.TIMED_OUT,
    # Whoever asked for the end gets it, whatever ends the attempt, unless the load won the race: then
    # the rows are in the target, and the state must say so.
    (State.CANCELLING, Event.TAKE_OVER): State.CANCELLING,
    (State.CANCELLING, Event.SUCCEED): State.SUCCEEDED,
    (State.CANCELLING, Event.STOP): State.CANCELLED,
    (State.CANCELLING, Event.RETRY): State.CANCELLED,
    (State.CANCELLING, Event.FAIL): State.CANCELLED,
    (State.CANCELLING, Event.TIME_OUT): State.CANCELLED,
    (State.CANCELLING, Event.EXHAUST): State.CANCELLED,
}

LEASED: Final = frozenset({State.RUNNING, State.CANCELLING})
"""States in which a runner holds the run."""

TERMINAL: Final = frozenset(State) - {source for source, _ in TRANSITIONS}
"""States that never change."""


class TransitionRefused(Conflict):
    """A run that is {state} can't {event}."""


def advance(state: State, event: Event) -> State:
    """The state that follows; raises `TransitionRefused` where the table has none."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise TransitionRefused(state=state.value, event=event.value)
    return following
