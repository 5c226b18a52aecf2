"""Publishing to RabbitMQ: persistent, mandatory, confirmed, many at once.

A wrong message closes its channel and fails everything in flight there, so each exchange has a channel
of its own; those who publish to the same exchange share it, which makes confirms cheap.
"""

import asyncio
import time
from collections import defaultdict
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

from shared.bus.port import Address, BusError, PublishRefused, PublishUnknown, Unroutable
from shared.bus.rabbit_connection import Link
from shared.bus.rabbit_errors import BLOCKED, reason_of
from shared.process.waiting import ours

_CONTENT_TYPE: Final = "application/cloudevents+json"


class Publisher:
    """Publishes on one link; `name` tells operators which process a message is from."""

    def __init__(self, link: Link, name: str) -> None:
        self._link = link
        self._name = name
        self._channels: dict[str, AbstractChannel] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, message: Message, to: Address, within: float) -> None:
        """Publish and wait for the broker's confirm; errors as `Bus.publish` has them."""
        if await self._link.blocked():
            raise PublishRefused(reason=BLOCKED)
        try:
            async with asyncio.timeout(within):
                await self._publish(message, to)
        except (Exception, asyncio.CancelledError) as error:
            # The driver raises CancelledError when the connection breaks; only one of ours is passed on.
            if ours(error):
                raise
            raise await self._failure(error, to, within) from error

    def message(self, body: bytes, message_id: str, message_type: str) -> Message:
        """A message as all of Penstock's are: it survives a restart of the broker."""
        return Message(
            body,
            message_id=message_id,
            type=message_type,
            app_id=self._name,
            content_type=_CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            timestamp=int(time.time()),
        )

    async def _publish(self, message: Message, to: Address) -> None:
        channel = await self._channel(to.exchange)
        exchange = await channel.get_exchange(to.exchange, ensure=False)
        await exchange.publish(message, to.key, mandatory=to.mandatory)

    async def _channel(self, exchange: str) -> AbstractChannel:
        async with self._opening[exchange]:
            channel = self._channels.get(exchange)
            if channel is None or channel.is_closed:
                channel = self._channels[exchange] = await self._link.channel(confirms=True)
            return channel

    async def _failure(self, error: BaseException, to: Address, within: float) -> BusError:
        match error:
            case PublishError() | ChannelNotFoundEntity():
                return Unroutable(exchange=to.exchange, key=to.key)
            case DeliveryError():
                return PublishRefused(reason="a queue is full, or out of order")
            case TimeoutError():
                if await self._link.blocked():
                    return PublishUnknown(reason=BLOCKED)
                self._link.doubt()
                return PublishUnknown(reason=f"no answer within {within} s")
            case _:
                return PublishUnknown(reason=reason_of(error))
