"""Hearing an exchange of RabbitMQ: a queue of the connection's own, gone with it."""

from typing import Any, Final

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.hearing import LIMIT, Heard
from shared.bus.port import Exchange
from shared.bus.rabbit_errors import reason_of

_ARGUMENTS: Final[dict[str, Any]] = {
    "x-queue-type": "classic",
    "x-max-length": LIMIT,
    "x-overflow": "drop-head",
}
"""Exclusive queues can't be quorum queues, which may be the usual ones of a virtual host."""


async def hear(channel: AbstractChannel, exchange: Exchange) -> Heard:
    """Whatever is published at the exchange from now on; raises what the driver raises."""
    heard = Heard(exchange.name)

    async def take(message: AbstractIncomingMessage) -> None:
        heard.put(message.body)

    async def cancelled(_: Any) -> None:
        heard.lose("the broker ended it, as it does when a queue is deleted")

    def closed(_: Any, error: BaseException | None) -> None:
        heard.lose(reason_of(error))

    channel.close_callbacks.add(closed)
    (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(cancelled)
    queue = await channel.declare_queue(exclusive=True, auto_delete=True, arguments=_ARGUMENTS)
    await queue.bind(exchange.name)
    await queue.consume(take, no_ack=True)
    return heard
