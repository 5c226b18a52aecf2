"""Receiving from RabbitMQ: one channel for each subscription, and no end of it without a word."""

import asyncio
import secrets
from collections import deque
from typing import Any, Self

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.port import AlreadySettled, BusError, Delivery, Queue, SubscriptionLost
from shared.bus.rabbit_connection import CALL_SECONDS, Link
from shared.bus.rabbit_errors import reason_of
from shared.process.waiting import ours


class RabbitSubscription:
    """A consumer of one queue.

    It ends with `SubscriptionLost` when its channel closes and when the broker cancels it. When nothing
    has come for `renew` seconds it consumes anew, on a new channel: a queue that is deleted and made again
    at once can leave a consumer that RabbitMQ believes in and that hears nothing (seen with 3.10).
    """

    def __init__(self, queue: Queue, link: Link, channel: AbstractChannel, *, renew: float) -> None:
        self.queue = queue
        self._link = link
        self._channel = channel
        self._renew_seconds = renew
        self._renewing: asyncio.Task[None] | None = None
        self._prefetch = 1
        self._tag = ""
        self._waiting: deque[AbstractIncomingMessage] = deque()
        self._unsettled: dict[int, AbstractIncomingMessage] = {}
        self._changed = asyncio.Event()
        self._changing = asyncio.Lock()
        self._heard = False
        self._stopped = False
        self._lost: str | None = None

    async def open(self, prefetch: int) -> None:
        """Begin to receive; raises what the driver raises."""
        self._prefetch = prefetch
        async with asyncio.timeout(CALL_SECONDS):
            await self._consume()
        self._renewing = asyncio.create_task(self._keep_renewing(), name=f"renewing {self.queue.name}")

    def lose(self, reason: str) -> None:
        """It has ended: what it holds comes again, to whoever is there."""
        self._lost = self._lost or reason
        self._waiting.clear()
        self._changed.set()

    async def stop(self) -> None:
        async with self._changing:
            if self._stopped or self._lost is not None:
                return
            self._stopped = True
            self._changed.set()
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._cancel()
                    while self._waiting:
                        await self._waiting.popleft().nack(requeue=True)
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                self._broken(error)

    async def close(self) -> None:
        """Give back what wasn't settled, counted as delivered, and free the channel."""
        open_until_now = self._lost is None
        self.lose("it was closed")
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        try:
            if open_until_now:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._give_back()
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            self._broken(error)
        finally:
            self._link.release(self._channel)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        while True:
            if self._lost is not None:
                raise self.loss()
            if self._stopped:
                raise StopAsyncIteration
            if self._waiting:
                return self._handed_out(self._waiting.popleft())
            self._changed.clear()
            await self._changed.wait()

    async def settle(self, message: AbstractIncomingMessage, *, requeue: bool | None) -> None:
        """Acknowledge (None), or reject to come again (True) or for good (False); once."""
        if self._lost is not None:
            raise self.loss()
        if self._unsettled.pop(message.delivery_tag or 0, None) is None:
            raise AlreadySettled
        try:
            async with asyncio.timeout(CALL_SECONDS):
                # Rejected, never "nacked": from RabbitMQ 4.3 on only the former is counted.
                await (message.ack() if requeue is None else message.reject(requeue=requeue))
        except (Exception, asyncio.CancelledError) as error:
            if ours(error):
                raise
            self._broken(error)
            raise self.loss() from error

    def loss(self) -> BusError:
        return SubscriptionLost(queue=self.queue.name, reason=self._lost)

    def _handed_out(self, message: AbstractIncomingMessage) -> Delivery:
        self._unsettled[message.delivery_tag or 0] = message
        return _RabbitDelivery(message, self)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if self._lost is None:
            self._heard = True
            self._waiting.append(message)
            self._changed.set()

    async def _consume(self) -> None:
        self._tag = secrets.token_hex(8)
        self._channel.close_callbacks.add(self._on_close)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._on_cancel)
        await self._channel.set_qos(prefetch_count=self._prefetch)
        queue = await self._channel.get_queue(self.queue.name, ensure=False)
        await queue.consume(self._take, consumer_tag=self._tag)

    async def _cancel(self) -> None:
        tag, self._tag = self._tag, ""
        if tag:
            queue = await self._channel.get_queue(self.queue.name, ensure=False)
            await queue.cancel(tag)

    async def _give_back(self) -> None:
        await self._cancel()
        for message in self._unsettled.values():
            await message.reject(requeue=True)
        await self._channel.close()

    def _broken(self, error: BaseException) -> None:
        """Something failed that always works on a live connection."""
        self.lose(reason_of(error))
        self._link.doubt()

    def _on_close(self, channel: Any, error: BaseException | None) -> None:
        if channel is self._channel:
            self.lose(reason_of(error))

    async def _on_cancel(self, told: Any) -> None:
        if told.consumer_tag == self._tag:
            self.lose("the broker ended it, as it does when a queue is deleted")

    async def _keep_renewing(self) -> None:
        while self._lost is None:
            self._heard = False
            await asyncio.sleep(self._renew_seconds)
            try:
                async with self._changing, asyncio.timeout(CALL_SECONDS):
                    await self._renew()
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                self._broken(error)

    async def _renew(self) -> None:
        if self._heard or self._stopped or self._lost is not None or self._holds_something():
            return
        fresh = await self._link.channel()
        try:
            await self._cancel()
            if not self._holds_something():  # else it has just shown that it hears
                fresh, self._channel = self._channel, fresh
            await self._consume()
        finally:
            self._link.release(fresh)

    def _holds_something(self) -> bool:
        return bool(self._waiting or self._unsettled)


class _RabbitDelivery:
    def __init__(self, message: AbstractIncomingMessage, subscription: RabbitSubscription) -> None:
        self._message = message
        self._subscription = subscription
        self.body = message.body
        self.message_id = message.message_id or ""
        self.message_type = message.type or ""
        count = message.headers.get("x-delivery-count")
        self.delivery_count = count if isinstance(count, int) else 0
        self.redelivered = bool(message.redelivered) or self.delivery_count > 0

    async def ack(self) -> None:
        await self._subscription.settle(self._message, requeue=None)

    async def reject(self, *, requeue: bool) -> None:
        await self._subscription.settle(self._message, requeue=requeue)
