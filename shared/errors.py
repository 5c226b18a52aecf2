"""The root of all errors that Penstock raises on purpose.

An error is one fact. Its class docstring is the sentence that people read, written as a format
string over the facts that the constructor takes; its class says what kind of trouble it is (the HTTP
status follows from that at the edge) and whether trying again can help.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Loc = tuple[str | int, ...]
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Fault:
    """One place that is wrong: where it is, a stable code, and a sentence a person can act on."""

    loc: Loc
    code: str
    message: str


class PenstockError(Exception):
    """Something went wrong."""

    def __init__(self, *, loc: Loc = (), faults: Sequence[Fault] = (), **facts: Any) -> None:
        self.facts = facts
        self.faults = tuple(faults)
        self.loc = loc
        super().__init__(self.sentence())

    @classmethod
    def code(cls) -> str:
        """The stable name of this error in problem documents: the class name in snake case."""
        return _WORD_START.sub("_", cls.__name__).lower()

    def sentence(self) -> str:
        """The docstring's first paragraph, filled with the facts."""
        paragraph = (type(self).__doc__ or "").strip().split("\n\n")[0]
        return " ".join(paragraph.split()).format_map(_Facts(self.facts))

    def all_faults(self) -> tuple[Fault, ...]:
        """The places that are wrong: those given, or the one place of this error itself."""
        if self.faults or not self.loc:
            return self.faults
        return (Fault(self.loc, self.code(), str(self)),)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.loc, self.faults, self.facts))


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return f"({key} unknown)"


def _rebuild(
    kind: type[PenstockError], loc: Loc, faults: tuple[Fault, ...], facts: dict[str, Any]
) -> PenstockError:
    return kind(loc=loc, faults=faults, **facts)


class Transient(PenstockError):
    """Trying again later can help."""


class Terminal(PenstockError):
    """Trying again changes nothing."""


class Invalid(Terminal):
    """The request can't be carried out as it was written."""


class InvalidCursor(Invalid):
    """The cursor isn't one that this list has returned."""


class Unauthenticated(Terminal):
    """The request carries no valid credentials."""


class Forbidden(Terminal):
    """The credentials don't allow this."""


class NotFound(Terminal):
    """There is no such object."""


class Conflict(Terminal):
    """The object's state doesn't allow this."""


class VersionOutdated(Conflict):
    """The object has changed since it was read: version {current} is current, not {given}."""


class PreconditionMissing(Terminal):
    """This operation needs an If-Match header with the version that was read."""


class Throttled(Transient):
    """Too many requests; try again in {retry_after} seconds."""


class Unavailable(Transient):
    """{what} can't be reached right now."""
