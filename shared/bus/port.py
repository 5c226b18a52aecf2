"""The message bus as Penstock sees it: confirmed publishing, settled deliveries, declared topology.

Two adapters keep these promises, RabbitMQ and an in-process one; one suite (tests/contract/bus.py) tests
both. A message only wakes somebody: the truth is a row in a database, so a lost message costs time.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from shared.errors import Terminal, Transient

MAX_BODY_BYTES = 64 * 1024


class BusError(Transient):
    """The message bus didn't do what it was asked."""


class Unroutable(BusError):
    """No queue is bound for {key} at {exchange}."""


class PublishRefused(BusError):
    """The message bus refused a message: {reason}."""


class PublishUnknown(BusError):
    """It is unknown whether a message was taken: {reason}."""


class SubscriptionLost(BusError):
    """The subscription to {queue} has ended: {reason}."""


class AlreadySettled(BusError):
    """This message was acknowledged or rejected before."""


class MessageTooLarge(Terminal):
    """A message may have {limit} bytes at most."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where messages are published. Names carry a version, since a declared one never changes."""

    name: str
    kind: Literal["direct", "topic", "fanout"]


@dataclass(frozen=True, slots=True)
class Binding:
    """Which messages of an exchange a queue gets; a topic's key may hold `*` and `#`."""

    exchange: Exchange
    key: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue.

    A message returned more than `delivery_limit` times, or rejected for good, goes to the dead letter
    exchange when `dead_letter` is set. A queue with `max_length` messages waiting refuses new ones.
    """

    name: str
    bindings: tuple[Binding, ...]
    delivery_limit: int = 10
    max_length: int = 100_000
    dead_letter: bool = True


@dataclass(frozen=True, slots=True)
class Topology:
    """All exchanges and queues; `dead_letters` is the topic exchange for messages given up.

    A dead letter keeps its body, id and type; its key is the name of the queue it comes from.
    """

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    dead_letters: Exchange


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message is sent. A message that isn't `mandatory` may find no queue and is gone then."""

    exchange: str
    key: str
    mandatory: bool = True


class Delivery(Protocol):
    """A message handed to a consumer, to be settled once: acknowledged or rejected.

    Settling raises `SubscriptionLost` when the broker no longer waits for it: the message comes again.
    """

    @property
    def body(self) -> bytes: ...
    @property
    def message_id(self) -> str: ...
    @property
    def message_type(self) -> str: ...
    @property
    def redelivered(self) -> bool: ...
    @property
    def delivery_count(self) -> int:
        """How often this message was delivered before, 0 for the first time."""
        ...

    async def ack(self) -> None:
        """The message is done with."""
        ...

    async def reject(self, *, requeue: bool) -> None:
        """Deliver the message again (it counts), or give it up to the dead letters."""
        ...


class Subscription(Protocol):
    """Deliveries of one queue. Iterating raises `SubscriptionLost` when the broker ends it."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Delivery: ...

    async def stop(self) -> None:
        """Take no more deliveries: those handed out can still be settled, the others go back."""
        ...


class Hearing(Protocol):
    """Bodies of messages, in their order. Iterating raises `SubscriptionLost` when the broker ends it."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> bytes: ...


class Bus(Protocol):
    """A message bus."""

    async def declare(self, topology: Topology) -> None:
        """Make exchanges, queues and bindings; what exists alike is left alone. Raises `BusError`."""
        ...

    async def publish(
        self, body: bytes, *, to: Address, message_id: str, message_type: str, within: float = 10.0
    ) -> None:
        """Publish and wait until the message is safe in every queue it is for.

        Raises `Unroutable`, `PublishRefused` (a queue is full), `MessageTooLarge`, and `PublishUnknown`: no
        answer `within` so many seconds, or the connection was lost; publishing again may make a duplicate.
        """
        ...

    def subscribe(self, queue: Queue, *, prefetch: int = 1) -> AbstractAsyncContextManager[Subscription]:
        """Receive from a queue, at most `prefetch` messages unsettled.

        When the block is left, whatever is unsettled goes back to the queue and counts as delivered.
        Raises `SubscriptionLost` when there is no such queue.
        """
        ...

    def overhear(self, exchange: Exchange) -> AbstractAsyncContextManager[Hearing]:
        """Hear whatever is published at a fanout exchange from now on: each hearer hears all of it.

        Nothing is kept for those who aren't there, and whoever doesn't keep up misses the oldest: it is for
        hints. Raises `SubscriptionLost` when there is no such exchange.
        """
        ...

    async def healthy(self) -> bool:
        """Whether the bus takes and gives messages right now."""
        ...

    async def close(self) -> None:
        """End all subscriptions and the connection; publishing then raises `PublishUnknown`."""
        ...
