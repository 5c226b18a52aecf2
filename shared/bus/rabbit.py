"""The bus on RabbitMQ, from version 3.10 on.

Two connections, each opened when it is first needed: a broker that is short of memory or disk stops
reading where messages are published, and acknowledgements must not wait behind them.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelClosed, ChannelNotFoundEntity

from shared.bus import rabbit_topology
from shared.bus.hearing import Heard
from shared.bus.port import (
    MAX_BODY_BYTES,
    Address,
    BusError,
    Exchange,
    Hearing,
    MessageTooLarge,
    PublishUnknown,
    Queue,
    Subscription,
    SubscriptionLost,
    Topology,
    Unroutable,
)
from shared.bus.rabbit_connection import CALL_SECONDS, Link
from shared.bus.rabbit_errors import BrokerUnreachable, TopologyRefused, is_sick, reason_of
from shared.bus.rabbit_hearing import hear
from shared.bus.rabbit_publishing import Publisher
from shared.bus.rabbit_subscription import RabbitSubscription
from shared.observe import logs
from shared.process.waiting import ours

_HEALTHY_SECONDS: Final = 2.5
_MEND_SECONDS: Final = 5.0
_CLOSED: Final = "the bus is closed"

_log = logs.get(__name__)


class RabbitBus:
    """A bus on the broker at `url`; `name` is what the broker's operators see.

    It remembers what was declared and declares it again on each new connection, and when a queue or
    exchange of it is found missing: a broker that lost everything is furnished by those who come back.
    `heartbeat` and `renew` are seconds: how soon a dead connection is noticed, and a deaf consumer healed.
    """

    def __init__(self, url: str, *, name: str, heartbeat: int = 10, renew: float = 15.0) -> None:
        self._renew = renew
        self._topologies: list[Topology] = []
        self._publishing = Link(
            url, name=f"{name} publishing", heartbeat=heartbeat, prepare=self._declare_all
        )
        self._consuming = Link(url, name=f"{name} consuming", heartbeat=heartbeat, prepare=self._declare_all)
        self._publisher = Publisher(self._publishing, name)
        self._subscriptions: set[RabbitSubscription] = set()
        self._hearings: set[Heard] = set()
        self._sick: set[str] = set()
        self._probing = asyncio.Lock()
        self._mended = float("-inf")
        self._closed = False

    async def declare(self, topology: Topology) -> None:
        if topology not in self._topologies:
            self._topologies.append(topology)
        try:
            await self._declare(self._publishing, topology)
        except TopologyRefused:
            self._topologies.remove(topology)
            raise

    async def publish(
        self, body: bytes, *, to: Address, message_id: str, message_type: str, within: float = 10.0
    ) -> None:
        if len(body) > MAX_BODY_BYTES:
            raise MessageTooLarge(limit=MAX_BODY_BYTES)
        if self._closed:
            raise PublishUnknown(reason=_CLOSED)
        message = self._publisher.message(body, message_id, message_type)
        try:
            await self._publisher.publish(message, to, within)
        except Unroutable:
            await self._mend(to)
            raise

    @asynccontextmanager
    async def subscribe(self, queue: Queue, *, prefetch: int = 1) -> AsyncIterator[Subscription]:
        subscription = await self._subscribed(queue, prefetch)
        self._sick.discard(queue.name)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            await subscription.close()

    @asynccontextmanager
    async def overhear(self, exchange: Exchange) -> AsyncIterator[Hearing]:
        heard, channel = await self._overheard(exchange)
        self._hearings.add(heard)
        try:
            yield heard
        finally:
            self._hearings.discard(heard)
            heard.lose("it was closed")
            self._consuming.release(channel)

    async def healthy(self) -> bool:
        """Whether a message goes in and comes out again, and no queue we consume from is out of order.

        The message takes a queue of this connection's own. A quorum queue can stay without a leader when
        its node was killed soon after it was made (seen with 3.10): it is listed as if all were well, so
        the attempts to consume from it count here. Deleting such a queue heals it, since we make it
        anew. Opens the connection when there is none; takes less than three seconds.
        """
        try:
            async with asyncio.timeout(_HEALTHY_SECONDS), self._probing:
                return await self._probe() and not self._sick
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            self._publishing.doubt()
            _log.debug("broker_unhealthy", reason=reason_of(error))
            return False

    async def close(self) -> None:
        self._closed = True
        for subscription in self._subscriptions:
            subscription.lose(_CLOSED)
        for heard in self._hearings:
            heard.lose(_CLOSED)
        await asyncio.gather(self._publishing.close(), self._consuming.close())

    async def _subscribed(self, queue: Queue, prefetch: int) -> RabbitSubscription:
        if self._closed:
            raise SubscriptionLost(queue=queue.name, reason=_CLOSED)
        try:
            try:
                return await self._consume(queue, prefetch)
            except ChannelNotFoundEntity:
                await self._furnish(queue)
                return await self._consume(queue, prefetch)
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            if is_sick(error):
                self._sick.add(queue.name)
            raise SubscriptionLost(queue=queue.name, reason=reason_of(error)) from error

    async def _overheard(self, exchange: Exchange) -> tuple[Heard, AbstractChannel]:
        if self._closed:
            raise SubscriptionLost(queue=exchange.name, reason=_CLOSED)
        try:
            try:
                return await self._hear(exchange)
            except ChannelNotFoundEntity:
                await self._furnish(exchange)
                return await self._hear(exchange)
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            raise SubscriptionLost(queue=exchange.name, reason=reason_of(error)) from error

    async def _hear(self, exchange: Exchange) -> tuple[Heard, AbstractChannel]:
        channel = await self._consuming.channel()
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await hear(channel, exchange), channel
        except BaseException:
            self._consuming.release(channel)
            raise

    async def _furnish(self, place: Queue | Exchange) -> None:
        """Declare again what this place belongs to."""
        for topology in self._topologies:
            if place in (*topology.queues, *topology.exchanges):
                await self._declare(self._consuming, topology)

    async def _consume(self, queue: Queue, prefetch: int) -> RabbitSubscription:
        channel = await self._consuming.channel()
        subscription = RabbitSubscription(queue, self._consuming, channel, renew=self._renew)
        try:
            await subscription.open(prefetch)
        except BaseException:
            await subscription.close()
            raise
        return subscription

    async def _declare(self, link: Link, topology: Topology) -> None:
        channel = await link.channel()
        try:
            await rabbit_topology.declare(channel, topology)
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            if isinstance(error, ChannelClosed):
                raise TopologyRefused(reason=reason_of(error)) from error
            link.doubt()
            raise BrokerUnreachable(reason=reason_of(error)) from error
        finally:
            link.release(channel)

    async def _declare_all(self, connection: AbstractConnection) -> None:
        for topology in self._topologies:
            channel = await connection.channel()
            try:
                await rabbit_topology.declare(channel, topology)
                await channel.close()
            except ChannelClosed as error:
                # Told and left so: the queues that are right work, and a person has to see to the others.
                _log.error("topology_refused", reason=reason_of(error))

    async def _mend(self, to: Address) -> None:
        """A message of ours found no place: declare again what may have been removed, not too often."""
        now = asyncio.get_running_loop().time()
        ours_too = any(to.exchange == one.name for topology in self._topologies for one in topology.exchanges)
        if not ours_too or now - self._mended < _MEND_SECONDS:
            return
        self._mended = now
        for topology in self._topologies:
            try:
                await self._declare(self._publishing, topology)
            except BusError as error:
                _log.warning("topology_not_mended", reason=str(error))

    async def _probe(self) -> bool:
        channel = await self._publishing.channel(confirms=True)
        try:
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
            body = secrets.token_bytes(8)
            await channel.default_exchange.publish(Message(body), queue.name)
            taken = await queue.get(no_ack=True, fail=False)
            await queue.delete(if_unused=False, if_empty=False)
            return taken is not None and taken.body == body
        finally:
            self._publishing.release(channel)
