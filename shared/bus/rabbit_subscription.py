"""Receiving from RabbitMQ: one channel for each subscription, and no end of it without a word."""

import asyncio
from collections import deque
from typing import Any, Final, Self

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.port import AlreadySettled, BusError, Delivery, Queue, SubscriptionLost
from shared.bus.rabbit_connection import CALL_SECONDS, Link
from shared.bus.rabbit_errors import reason_of
from shared.observe import logs
from shared.process.waiting import ours

_ENOUGH_ABSENCES: Final = 2
"""The broker counts consumers some seconds late."""

_log = logs.get(__name__)


class RabbitSubscription:
    """A consumer of one queue.

    It ends with `SubscriptionLost` when its channel closes, when the broker cancels it, and when the
    watch finds, every `watch` seconds, that the queue has no consumer or that nobody answers.
    """

    def __init__(self, queue: Queue, link: Link, channel: AbstractChannel, *, watch: float) -> None:
        self.queue = queue
        self._link = link
        self._channel = channel
        self._watch_seconds = watch
        self._watching: asyncio.Task[None] | None = None
        self._tag: str | None = None
        self._waiting: deque[AbstractIncomingMessage] = deque()
        self._unsettled: dict[int, AbstractIncomingMessage] = {}
        self._changed = asyncio.Event()
        self._stopping = asyncio.Lock()
        self._stopped = False
        self._lost: str | None = None

    async def open(self, prefetch: int) -> None:
        """Begin to receive; raises what the driver raises."""
        self._channel.close_callbacks.add(self._on_close)
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(self._on_cancel)
        async with asyncio.timeout(CALL_SECONDS):
            await self._channel.set_qos(prefetch_count=prefetch)
            queue = await self._channel.get_queue(self.queue.name, ensure=False)
            self._tag = await queue.consume(self._take)
        self._watching = asyncio.create_task(self._watch(), name=f"watching {self.queue.name}")

    def lose(self, reason: str) -> None:
        """It has ended: what it holds comes again, to whoever is there."""
        self._lost = self._lost or reason
        self._waiting.clear()
        self._changed.set()

    async def stop(self) -> None:
        async with self._stopping:
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
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
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
            self._waiting.append(message)
            self._changed.set()

    async def _cancel(self) -> None:
        if self._tag is not None:
            queue = await self._channel.get_queue(self.queue.name, ensure=False)
            await queue.cancel(self._tag)
            self._tag = None

    async def _give_back(self) -> None:
        await self._cancel()
        for message in self._unsettled.values():
            await message.reject(requeue=True)
        await self._channel.close()

    def _broken(self, error: BaseException) -> None:
        """Something failed that always works on a live connection."""
        self.lose(reason_of(error))
        self._link.doubt()

    def _on_close(self, _: Any, error: BaseException | None) -> None:
        self.lose(reason_of(error))

    async def _on_cancel(self, _: Any) -> None:
        self.lose("the broker ended it, as it does when a queue is deleted")

    async def _watch(self) -> None:
        absences = 0
        while self._lost is None:
            await asyncio.sleep(self._watch_seconds)
            if self._tag is None:
                return
            try:
                absences = 0 if await self._is_known() else absences + 1
            except (Exception, asyncio.CancelledError) as error:
                if ours(error):
                    raise
                self._broken(error)
            if absences == _ENOUGH_ABSENCES:
                self.lose("the broker doesn't know it any more")
        _log.debug("subscription_watch_ended", queue=self.queue.name, reason=self._lost)

    async def _is_known(self) -> bool:
        async with asyncio.timeout(CALL_SECONDS):
            found = await self._channel.declare_queue(self.queue.name, passive=True)
        return bool(found.declaration_result.consumer_count)


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
