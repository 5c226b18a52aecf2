"""The in-process bus of embedded mode: the promises of a broker, kept by asyncio structures.

Nothing is kept on disk and nothing needs to be: every message is backed by a row, and what a crash loses
is sent again from there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.bus.hearing import Heard
from shared.bus.memory_queue import MemoryQueue, MemorySubscription, Message
from shared.bus.port import (
    MAX_BODY_BYTES,
    Address,
    BusError,
    Exchange,
    Hearing,
    MessageTooLarge,
    PublishRefused,
    PublishUnknown,
    Queue,
    Subscription,
    SubscriptionLost,
    Topology,
    Unroutable,
)

Fault = Callable[[Address, str], Awaitable[None]]


class MemoryBus:
    """A bus inside one process and one event loop.

    `fault` is awaited before each message is routed, with its address and id; tests let it raise, wait or
    cancel, to see what a publisher makes of it.
    """

    def __init__(self, *, fault: Fault | None = None) -> None:
        self.fault = fault
        self._exchanges: dict[str, Exchange] = {}
        self._queues: dict[str, MemoryQueue] = {}
        self._hearers: dict[str, set[Heard]] = {}
        self._dead_letters: Exchange | None = None
        self._positions = 0
        self._closed = False

    async def declare(self, topology: Topology) -> None:
        for exchange in (*topology.exchanges, topology.dead_letters):
            if self._exchanges.setdefault(exchange.name, exchange) != exchange:
                raise BusError
        for queue in topology.queues:
            known = self._queues.setdefault(queue.name, MemoryQueue(queue, self._bury))
            if known.queue != queue:
                raise BusError
        self._dead_letters = topology.dead_letters

    async def publish(
        self, body: bytes, *, to: Address, message_id: str, message_type: str, within: float = 10.0
    ) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise MessageTooLarge(limit=MAX_BODY_BYTES)
        if self.fault is not None:
            await self._suffer(to, message_id, within)
        if self._closed:
            raise PublishUnknown(reason="the bus is closed")
        message = Message(body, message_id, message_type, self._next_position())
        self._route(message, to)

    @asynccontextmanager
    async def subscribe(self, queue: Queue, *, prefetch: int = 1) -> AsyncIterator[Subscription]:
        held = self._queues.get(queue.name)
        if self._closed or held is None:
            raise SubscriptionLost(queue=queue.name, reason="there is no such queue")
        subscription = MemorySubscription(held, prefetch)
        held.add(subscription)
        try:
            yield subscription
        finally:
            held.remove(subscription)

    @asynccontextmanager
    async def overhear(self, exchange: Exchange) -> AsyncIterator[Hearing]:
        if self._closed or self._exchanges.get(exchange.name) != exchange:
            raise SubscriptionLost(queue=exchange.name, reason="there is no such exchange")
        heard = Heard(exchange.name)
        hearers = self._hearers.setdefault(exchange.name, set())
        hearers.add(heard)
        try:
            yield heard
        finally:
            hearers.discard(heard)
            heard.lose("it was closed")

    async def healthy(self) -> bool:
        return not self._closed

    async def close(self) -> None:
        self._closed = True
        for queue in self._queues.values():
            queue.cancel("the bus is closed")
        for heard in set().union(*self._hearers.values()):
            heard.lose("the bus is closed")

    def delete(self, queue: Queue) -> None:
        """Delete a queue with its messages; its subscriptions are lost."""
        self._queues.pop(queue.name).cancel("the queue was deleted")

    async def _suffer(self, to: Address, message_id: str, within: float) -> None:
        assert self.fault is not None
        try:
            async with asyncio.timeout(within):
                await self.fault(to, message_id)
        except TimeoutError as error:
            raise PublishUnknown(reason=f"no answer within {within} s") from error

    def _next_position(self) -> int:
        self._positions += 1
        return self._positions

    def _route(self, message: Message, to: Address) -> None:
        exchange = self._exchanges.get(to.exchange)
        queues = [held for held in self._queues.values() if exchange and held.wants(exchange, to.key)]
        hearers = self._hearers.get(to.exchange, set())
        if not queues and not hearers and to.mandatory:
            raise Unroutable(exchange=to.exchange, key=to.key)
        for held in queues:
            if held.full:
                raise PublishRefused(reason=f"queue {held.queue.name} is full")
        for held in queues:
            held.put(Message(message.body, message.message_id, message.message_type, message.position))
        for heard in hearers:
            heard.put(message.body)

    def _bury(self, message: Message, queue: Queue) -> None:
        if self._dead_letters is None or not queue.dead_letter:
            return
        for held in self._queues.values():
            if held.wants(self._dead_letters, queue.name):
                held.make_room()
                position = self._next_position()
                held.put(Message(message.body, message.message_id, message.message_type, position))
