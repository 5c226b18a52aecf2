"""Exchanges, queues and bindings as RabbitMQ knows them: the same arguments from version 3.10 on.

Every queue is a quorum queue: confirmed messages survive a crash of the broker, and returned ones are
counted (RabbitMQ's guide to quorum queues, "Poison message handling").
"""

from typing import Any

from aio_pika.abc import AbstractChannel

from shared.bus.port import Queue, Topology


def arguments_of(queue: Queue, topology: Topology) -> dict[str, Any]:
    """The arguments a queue is declared with; an unknown one would be ignored in silence."""
    arguments: dict[str, Any] = {
        "x-queue-type": "quorum",
        "x-delivery-limit": queue.delivery_limit,
        "x-max-length": queue.max_length,
        "x-overflow": "reject-publish",
    }
    if queue.dead_letter:
        arguments |= {
            "x-dead-letter-exchange": topology.dead_letters.name,
            "x-dead-letter-routing-key": queue.name,
            "x-dead-letter-strategy": "at-least-once",
        }
    return arguments


async def declare(channel: AbstractChannel, topology: Topology) -> None:
    """Declare all of it; what exists alike is left alone, what exists otherwise closes the channel."""
    for exchange in dict.fromkeys((*topology.exchanges, topology.dead_letters)):
        await channel.declare_exchange(exchange.name, exchange.kind, durable=True)
    for queue in topology.queues:
        declared = await channel.declare_queue(
            queue.name, durable=True, arguments=arguments_of(queue, topology)
        )
        for binding in queue.bindings:
            await declared.bind(binding.exchange.name, binding.key)
