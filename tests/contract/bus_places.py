"""A small topology with new names in every test, and short ways to send and take."""

import asyncio
import secrets
from dataclasses import dataclass

from shared.bus.port import (
    Address,
    Binding,
    Bus,
    Delivery,
    Exchange,
    Queue,
    Subscription,
    Topology,
)

PATIENCE = 10.0


@dataclass(frozen=True)
class Places:
    """A small topology: work with a delivery limit of 2, a queue of room for 3, events, dead letters."""

    topology: Topology
    work: Queue
    small: Queue
    events: Queue
    all_events: Queue
    dead: Queue
    to_work: Address
    to_small: Address
    event_exchange: str
    hints: Exchange
    to_hints: Address

    def to_event(self, key: str, *, mandatory: bool = True) -> Address:
        return Address(self.event_exchange, key, mandatory=mandatory)


def new_places() -> Places:
    tag = secrets.token_hex(4)
    direct, topic = Exchange(f"t.run.{tag}", "direct"), Exchange(f"t.event.{tag}", "topic")
    dead_letters, hints = Exchange(f"t.dlx.{tag}", "topic"), Exchange(f"t.hints.{tag}", "fanout")
    work = Queue(f"t.work.{tag}", (Binding(direct, "work"),), delivery_limit=2)
    small = Queue(f"t.small.{tag}", (Binding(direct, "small"),), max_length=3, dead_letter=False)
    events = Queue(f"t.events.{tag}", (Binding(topic, "resource.*"), Binding(topic, "scan.#.done")))
    all_events = Queue(f"t.all.{tag}", (Binding(topic, "resource.#"),))
    dead = Queue(f"t.dead.{tag}", (Binding(dead_letters, "#"),), dead_letter=False)
    queues = (work, small, events, all_events, dead)
    return Places(
        Topology((direct, topic, dead_letters, hints), queues, dead_letters),
        *queues,
        to_work=Address(direct.name, "work"),
        to_small=Address(direct.name, "small"),
        event_exchange=topic.name,
        hints=hints,
        to_hints=Address(hints.name, "", mandatory=False),
    )


async def send(bus: Bus, to: Address, *bodies: str) -> None:
    for body in bodies:
        await bus.publish(body.encode(), to=to, message_id=f"id-{body}", message_type="test")


async def take(subscription: Subscription) -> Delivery:
    async with asyncio.timeout(PATIENCE):
        return await anext(subscription)


async def take_text(subscription: Subscription) -> str:
    delivery = await take(subscription)
    await delivery.ack()
    return delivery.body.decode()


async def drain(bus: Bus, queue: Queue, count: int) -> list[str]:
    async with bus.subscribe(queue, prefetch=count or 1) as subscription:
        return [await take_text(subscription) for _ in range(count)]
