"""The life of a data table as a table of transitions."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal


class State(StrEnum):
    """`draft` has no physical table; the others are states of a created one, named by its sync state."""

    DRAFT = "draft"
    SYNCED = "synced"
    PENDING = "pending"
    GHOST = "ghost"

    @property
    def lifecycle(self) -> Literal["draft", "created"]:
        """Whether there is, or was, a physical table."""
        return "draft" if self is State.DRAFT else "created"

    @property
    def sync_state(self) -> Literal["synced", "pending", "ghost"] | None:
        """How the physical table and the definition relate; None while there is no physical table."""
        return _SYNC_STATES.get(self)


_SYNC_STATES: Final[Mapping[State, Literal["synced", "pending", "ghost"]]] = {
    State.SYNCED: "synced",
    State.PENDING: "pending",
    State.GHOST: "ghost",
}


class Event(StrEnum):
    """What happens to a data table. An edit is judged by whether the definition equals what was published,
    a look at the target by whether the physical table does. `adopted`: what is there became the definition;
    `forgotten`: the publishes were.
    """

    EDITED_APART = "edited_apart"
    EDITED_BACK = "edited_back"
    PUBLISHED = "published"
    SEEN_AS_PUBLISHED = "seen_as_published"
    SEEN_BEHIND = "seen_behind"
    SEEN_DIFFERENT = "seen_different"
    ADOPTED = "adopted"
    FORGOTTEN = "forgotten"


TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    **{(state, Event.ADOPTED): State.SYNCED for state in _SYNC_STATES},
    **{(state, Event.FORGOTTEN): State.DRAFT for state in _SYNC_STATES},
    (State.DRAFT, Event.EDITED_APART): State.DRAFT,
    (State.DRAFT, Event.PUBLISHED): State.SYNCED,
    (State.SYNCED, Event.EDITED_APART): State.PENDING,
    (State.SYNCED, Event.EDITED_BACK): State.SYNCED,
    (State.SYNCED, Event.PUBLISHED): State.SYNCED,
    (State.SYNCED, Event.SEEN_AS_PUBLISHED): State.SYNCED,
    (State.SYNCED, Event.SEEN_DIFFERENT): State.GHOST,
    (State.SYNCED, Event.SEEN_BEHIND): State.PENDING,
    (State.PENDING, Event.EDITED_APART): State.PENDING,
    (State.PENDING, Event.EDITED_BACK): State.SYNCED,
    (State.PENDING, Event.PUBLISHED): State.SYNCED,
    (State.PENDING, Event.SEEN_AS_PUBLISHED): State.SYNCED,
    (State.PENDING, Event.SEEN_BEHIND): State.PENDING,
    (State.PENDING, Event.SEEN_DIFFERENT): State.GHOST,
    (State.GHOST, Event.EDITED_APART): State.GHOST,
    (State.GHOST, Event.EDITED_BACK): State.GHOST,
    (State.GHOST, Event.PUBLISHED): State.SYNCED,
    (State.GHOST, Event.SEEN_AS_PUBLISHED): State.SYNCED,
    (State.GHOST, Event.SEEN_BEHIND): State.PENDING,
    (State.GHOST, Event.SEEN_DIFFERENT): State.GHOST,
}


class TransitionImpossible(AssertionError):
    """A state was told an event that can't happen to it: a mistake of ours, not of a caller."""


def advance(state: State, event: Event) -> State:
    """The state after the event."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TransitionImpossible(f"{event} can't happen to a data table that is {state}") from None
