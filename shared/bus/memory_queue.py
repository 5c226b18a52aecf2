"""A queue of the in-process bus: who waits for what, what is unsettled, what is given up."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from shared.bus.port import AlreadySettled, Binding, Delivery, Exchange, Queue, SubscriptionLost


@dataclass(slots=True, eq=False)
class Message:
    """A message in a queue; `position` is its place in the order of publishing."""

    body: bytes
    message_id: str
    message_type: str
    position: int
    delivery_count: int = 0


class MemoryQueue:
    """Messages in order, handed round to the subscriptions that have room.

    `bury` takes the messages that are given up.
    """

    def __init__(self, queue: Queue, bury: Callable[[Message, Queue], None]) -> None:
        self.queue = queue
        self._bury = bury
        self._ready: deque[Message] = deque()
        self._subscriptions: deque[MemorySubscription] = deque()

    @property
    def full(self) -> bool:
        return len(self._ready) >= self.queue.max_length

    def __len__(self) -> int:
        return len(self._ready)

    def wants(self, exchange: Exchange, key: str) -> bool:
        """Whether a message with this key at this exchange is for this queue."""
        return any(_matches(binding, key) for binding in self.queue.bindings if binding.exchange == exchange)

    def put(self, message: Message) -> None:
        self._ready.append(message)
        self.hand_out()

    def make_room(self) -> None:
        """Drop the oldest message of a full queue. Dead letters can't be refused: nobody would know."""
        if self.full:
            self._ready.popleft()

    def add(self, subscription: "MemorySubscription") -> None:
        self._subscriptions.append(subscription)
        self.hand_out()

    def remove(self, subscription: "MemorySubscription") -> None:
        """End a subscription; what it holds unsettled has been delivered once more, for nothing."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        for message in subscription.end("it was closed"):
            self._return(message)
        self.hand_out()

    def withdraw(self, subscription: "MemorySubscription", untouched: list[Message]) -> None:
        """Hand out no more to a subscription, and take back what it hasn't shown to anybody."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        for message in untouched:
            self._insert(message)
        self.hand_out()

    def cancel(self, reason: str) -> None:
        """End all subscriptions, as a broker does when a queue goes away."""
        while self._subscriptions:
            subscription = self._subscriptions.popleft()
            for message in subscription.end(reason):
                self._return(message)

    def settle(self, message: Message, *, requeue: bool | None) -> None:
        """A message was acknowledged (None), rejected to come again (True), or for good (False)."""
        if requeue:
            self._return(message)
        elif requeue is False:
            self._bury(message, self.queue)
        self.hand_out()

    def hand_out(self) -> None:
        while self._ready and (subscription := self._next_with_room()):
            subscription.take(self._ready.popleft())

    def _next_with_room(self) -> "MemorySubscription | None":
        for _ in range(len(self._subscriptions)):
            subscription = self._subscriptions[0]
            self._subscriptions.rotate(-1)
            if subscription.has_room:
                return subscription
        return None

    def _return(self, message: Message) -> None:
        message.delivery_count += 1
        if message.delivery_count > self.queue.delivery_limit:
            self._bury(message, self.queue)
        else:
            self._insert(message)

    def _insert(self, message: Message) -> None:
        index = next((at for at, other in enumerate(self._ready) if other.position > message.position), None)
        self._ready.insert(len(self._ready) if index is None else index, message)


class MemorySubscription:
    """One consumer of a queue: what it was handed and hasn't settled, at most `prefetch` messages."""

    def __init__(self, held: MemoryQueue, prefetch: int) -> None:
        self._held = held
        self._prefetch = prefetch
        self._waiting: deque[Message] = deque()
        self._unsettled: list[Message] = []
        self._changed = asyncio.Event()
        self._stopped = False
        self._lost: str | None = None

    @property
    def has_room(self) -> bool:
        return len(self._unsettled) < self._prefetch

    def take(self, message: Message) -> None:
        self._unsettled.append(message)
        self._waiting.append(message)
        self._changed.set()

    def end(self, reason: str) -> list[Message]:
        """End for ever; returns what was unsettled."""
        self._lost = self._lost or reason
        self._changed.set()
        unsettled, self._unsettled = self._unsettled, []
        self._waiting.clear()
        return unsettled

    async def stop(self) -> None:
        self._stopped = True
        untouched = list(self._waiting)
        self._waiting.clear()
        self._unsettled = [message for message in self._unsettled if message not in untouched]
        self._held.withdraw(self, untouched)
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        while not self._waiting:
            if self._lost is not None:
                raise self._loss()
            if self._stopped:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return _MemoryDelivery(self._waiting.popleft(), self)

    def settle(self, message: Message, *, requeue: bool | None) -> None:
        if message not in self._unsettled:
            raise self._loss() if self._lost is not None else AlreadySettled
        self._unsettled.remove(message)
        self._held.settle(message, requeue=requeue)

    def _loss(self) -> SubscriptionLost:
        return SubscriptionLost(queue=self._held.queue.name, reason=self._lost)


class _MemoryDelivery:
    def __init__(self, message: Message, subscription: MemorySubscription) -> None:
        self._message = message
        self._subscription = subscription
        self.body = message.body
        self.message_id = message.message_id
        self.message_type = message.message_type
        self.delivery_count = message.delivery_count
        self.redelivered = message.delivery_count > 0

    async def ack(self) -> None:
        self._subscription.settle(self._message, requeue=None)

    async def reject(self, *, requeue: bool) -> None:
        self._subscription.settle(self._message, requeue=requeue)


def _matches(binding: Binding, key: str) -> bool:
    match binding.exchange.kind:
        case "fanout":
            return True
        case "direct":
            return binding.key == key
        case "topic":
            return _topic_pattern(binding.key).fullmatch(key) is not None


def _topic_pattern(key: str) -> re.Pattern[str]:
    """AMQP 0-9-1, section 3.1.3.3: `*` is one word, `#` any number of words, words are parted by dots."""
    pattern = ""
    for index, word in enumerate(key.split(".")):
        dot = r"\." if index else ""
        if word == "#":
            pattern += rf"(?:{dot}[^.]+)*" if index else r"(?:[^.]+(?:\.[^.]+)*)?"
        else:
            pattern += dot + (r"[^.]+" if word == "*" else re.escape(word))
    return re.compile(pattern)
