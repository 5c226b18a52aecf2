"""The life of a sync log, as a table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Event(StrEnum):
    CLAIM = "claim"
    RELEASE = "release"
    LOSE = "lose"
    GIVE_UP = "give_up"
    SUCCEED = "succeed"
    SUCCEED_IN_PART = "succeed_in_part"
    FAIL = "fail"
    CANCEL = "cancel"


TERMINAL: Final = frozenset({Status.SUCCESS, Status.PARTIAL, Status.FAILED, Status.CANCELLED})

TRANSITIONS: Final[Mapping[tuple[Status, Event], Status]] = {
    (Status.QUEUED, Event.CLAIM): Status.RUNNING,
    (Status.QUEUED, Event.CANCEL): Status.CANCELLED,
    (Status.RUNNING, Event.RELEASE): Status.QUEUED,
    (Status.RUNNING, Event.LOSE): Status.QUEUED,
    (Status.RUNNING, Event.GIVE_UP): Status.FAILED,
    (Status.RUNNING, Event.SUCCEED): Status.SUCCESS,
    (Status.RUNNING, Event.SUCCEED_IN_PART): Status.PARTIAL,
    (Status.RUNNING, Event.FAIL): Status.FAILED,
    (Status.RUNNING, Event.CANCEL): Status.CANCELLED,
}


def advance(status: Status, event: Event) -> Status | None:
    """The status after an event; None where the event means nothing any more."""
    return TRANSITIONS.get((status, event))
