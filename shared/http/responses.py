"""What an operation may return beside a plain model."""

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Created(Generic[T]):
    """201: the new object and its path below the service's prefix, such as `/tasks/0198...`."""

    status: ClassVar[int] = 201

    model: T
    location: str


@dataclass(frozen=True, slots=True)
class Accepted(Generic[T]):
    """202: work that has been started and the path, below the service's prefix, that tells how it goes."""

    status: ClassVar[int] = 202

    model: T
    location: str


@dataclass(frozen=True, slots=True)
class Media:
    """The media type of an answer that an operation writes itself; for `returns=`."""

    type: str


EVENT_STREAM = Media("text/event-stream")
PLAIN_TEXT = Media("text/plain")
BINARY = Media("application/octet-stream")
