"""How an attempt ended and what follows from it, as values made here and carried out in one place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.errors import Loc

from .states import Event

Jitter = Callable[[float], float]
"""Takes the longest wait in seconds and gives the one to use: full jitter draws evenly from it."""


class Outcome(StrEnum):
    """What became of an attempt."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    RELEASED = "released"


class Kind(StrEnum):
    """The class of an error; it decides whether and when the work is tried again."""

    TRANSIENT = "transient"
    THROTTLED = "throttled"
    LOST = "lost"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds: `base` after the first attempt, doubled with each one, never more than `cap`."""

    base: float
    cap: float

    def longest(self, attempts: int) -> float:
        return min(self.cap, self.base * float(1 << min(attempts - 1, 30)))


BACKOFF: Final[Mapping[Kind, Backoff]] = {
    Kind.TRANSIENT: Backoff(base=2.0, cap=300.0),
    Kind.THROTTLED: Backoff(base=10.0, cap=600.0),
    Kind.LOST: Backoff(base=1.0, cap=60.0),
}
"""Kinds that are not here are never tried again."""

POSTPONED: Final = Backoff(base=2.0, cap=60.0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What went wrong in an attempt, in words and for programs; no values of rows, no secrets."""

    code: str
    message: str
    kind: Kind
    loc: Loc = ()
    step: str | None = None
    retry_after: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is kept with the run, its attempt and its event."""
        return {
            "code": self.code,
            "message": self.message,
            "kind": self.kind.value,
            "loc": list(self.loc),
            "step": self.step,
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of one attempt: what happens to the run, and what is written down about it.

    `after` is the wait in seconds before the next attempt. An ending that is not `charged` does not
    count against the run's attempts. A `settled` one has asked the target what was committed. `file` is what
    was written where the target is a file, and whether it `replaces` those of its name.
    """

    event: Event
    outcome: Outcome
    trouble: Trouble | None = None
    after: float = 0.0
    charged: bool = True
    counts: dict[str, Any] | None = None
    adopted: bool = False
    settled: bool = False
    file: dict[str, Any] | None = None
    replaces: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether the work ended without a word: rows may have been committed all the same."""
        return self.outcome not in {Outcome.SUCCEEDED, Outcome.FAILED}


def success(counts: dict[str, Any], *, adopted: bool) -> Ending:
    """The rows are in the target; `adopted` says that an earlier attempt had put them there."""
    return Ending(Event.SUCCEED, Outcome.SUCCEEDED, counts=counts, adopted=adopted)


def failure(trouble: Trouble, *, charged: int, maximum: int, jitter: Jitter) -> Ending:
    """The attempt failed: wait and try again, or fail for good, or give up as dead.

    `charged` is the number of attempts that count so far, this one included.
    """
    outcome = Outcome.LOST if trouble.kind is Kind.LOST else Outcome.FAILED
    backoff = BACKOFF.get(trouble.kind)
    if backoff is None:
        return Ending(Event.FAIL, outcome, trouble)
    if charged >= maximum:
        return Ending(Event.EXHAUST, outcome, trouble)
    wait = jitter(backoff.longest(charged))
    return Ending(Event.RETRY, outcome, trouble, after=max(wait, trouble.retry_after or 0.0))


def postponed(trouble: Trouble, *, times: int, jitter: Jitter) -> Ending:
    """The work could not begin, for a service of ours is away: wait for it, as long as the run has time.

    `times` is how often that was so, this one included. It isn't the run's fault, and not charged.
    """
    wait = max(jitter(POSTPONED.longest(times)), trouble.retry_after or 0.0)
    return Ending(Event.RETRY, Outcome.FAILED, trouble, after=wait, charged=False)


def stopped() -> Ending:
    """The cancel took effect: nothing was committed and nothing will be."""
    return Ending(Event.STOP, Outcome.CANCELLED)


def out_of_time(seconds: int) -> Ending:
    """The run took longer than its task allows."""
    trouble = Trouble(
        "run_timed_out", f"The run took longer than the {seconds} seconds of its task.", Kind.PERMANENT
    )
    return Ending(Event.TIME_OUT, Outcome.TIMED_OUT, trouble)


def released() -> Ending:
    """The runner is stopping and gives the run back, at once and without charge."""
    return Ending(Event.RETRY, Outcome.RELEASED, charged=False)


def lost(reason: str) -> Trouble:
    """The process that worked on the run is gone."""
    return Trouble("worker_lost", f"The process that worked on the run was lost: {reason}.", Kind.LOST)


def unsettled() -> Ending:
    """The run is over, and nobody could be asked whether its rows were committed."""
    return Ending(Event.EXHAUST, Outcome.LOST, UNSETTLED, settled=True)


UNSETTLED: Final = Trouble(
    "outcome_unknown",
    "The target could not be asked whether rows of this run were committed; look before you retry it.",
    Kind.PERMANENT,
)
