"""The consumer begins again whatever the broker does, and stops in good order."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.bus.consumer import Consumer, Decision, Done
from shared.bus.memory import MemoryBus
from shared.bus.port import Queue, SubscriptionLost
from shared.contracts.envelope import Envelope
from shared.observe import context
from tests.contract.bus_places import Places, take
from tests.unit.shared.bus.consuming import Log, body, consuming, send


async def test_as_many_messages_as_slots_are_handled_at_a_time(bus: MemoryBus, places: Places) -> None:
    running: set[str] = set()
    most = 0
    together = asyncio.Event()

    async def handle(envelope: Envelope) -> Decision:
        nonlocal most
        running.add(envelope.subject)
        most = max(most, len(running))
        if len(running) == 3:
            together.set()
        await together.wait()
        running.discard(envelope.subject)
        return Done()

    async with consuming(bus, places, handle, slots=3):
        await send(bus, places, *(body(str(number)) for number in range(9)))
        await together.wait()
    assert most == 3


async def test_a_lost_subscription_is_built_again(bus: MemoryBus, places: Places) -> None:
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, body("a"))
        await log.until(1)
        bus.delete(places.work)
        await bus.declare(places.topology)
        await send(bus, places, body("b"))
        await log.until(2)
    assert log.seen == ["a", "b"]


async def test_a_bus_that_breaks_in_its_own_ways_does_not_end_the_consumer(
    bus: MemoryBus, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = bus.subscribe
    failures: list[BaseException] = [
        asyncio.CancelledError(),
        SubscriptionLost(queue="q", reason="refused"),
        ConnectionResetError(),
    ]

    @asynccontextmanager
    async def unreliable(queue: Queue, *, prefetch: int = 1) -> AsyncIterator[object]:
        if failures:
            raise failures.pop()
        async with sound(queue, prefetch=prefetch) as subscription:
            yield subscription

    monkeypatch.setattr(bus, "subscribe", unreliable)
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, body("a"))
        await log.until(1)
    assert not failures


async def test_a_handler_at_work_finishes_when_its_subscription_is_lost(
    bus: MemoryBus, places: Places
) -> None:
    begun, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(_: Envelope) -> Decision:
        begun.set()
        await go_on.wait()
        finished.set()
        return Done()

    async with consuming(bus, places, handle):
        await send(bus, places, body("a"))
        await begun.wait()
        bus.delete(places.work)
        go_on.set()
        async with asyncio.timeout(5):
            await finished.wait()


async def test_stopping_finishes_and_settles_what_is_being_handled(bus: MemoryBus, places: Places) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_: Envelope) -> Decision:
        begun.set()
        await go_on.wait()
        return Done()

    async with consuming(bus, places, handle) as stop:
        await send(bus, places, body("a"), body("b"))
        await begun.wait()
        stop.set()
        await asyncio.sleep(0)
        go_on.set()
    async with bus.subscribe(places.work) as subscription:
        following = await take(subscription)
        assert json.loads(following.body)["subject"] == "b"
        assert following.delivery_count == 0


async def test_stopping_does_not_wait_for_a_broker_that_never_answers(
    bus: MemoryBus, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    @asynccontextmanager
    async def silent(queue: Queue, *, prefetch: int = 1) -> AsyncIterator[object]:
        asked.set()
        await asyncio.Event().wait()
        yield None

    monkeypatch.setattr(bus, "subscribe", silent)
    async with asyncio.timeout(5):
        async with consuming(bus, places, Log()):
            await asked.wait()


async def test_cancelling_ends_the_consumer_and_the_message_comes_again(
    bus: MemoryBus, places: Places
) -> None:
    begun = asyncio.Event()

    async def handle(_: Envelope) -> Decision:
        begun.set()
        await asyncio.Event().wait()
        return Done()

    task = asyncio.create_task(Consumer(bus, places.work, handle).run(asyncio.Event()))
    await send(bus, places, body("a"))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
        async with bus.subscribe(places.work) as subscription:
            assert (await take(subscription)).delivery_count == 1


class Slot:
    """One slot: a gate that closes when it is taken."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()

    def is_open(self) -> bool:
        return self.free.is_set()

    async def wait_open(self) -> None:
        await self.free.wait()


async def test_a_closed_gate_leaves_messages_to_other_consumers(bus: MemoryBus, places: Places) -> None:
    slot, log = Slot(), Log()

    async def claim(envelope: Envelope) -> Decision:
        slot.free.clear()
        return await log(envelope)

    async with consuming(bus, places, claim, gate=slot):
        await send(bus, places, body("a"), body("b"))
        await log.until(1)
        async with bus.subscribe(places.work) as elsewhere:
            delivery = await take(elsewhere)
            assert json.loads(delivery.body)["subject"] == "b"
            assert delivery.delivery_count == 0
            await delivery.ack()
        await send(bus, places, body("c"))
        slot.free.set()
        await log.until(2)
    assert log.seen == ["a", "c"]


async def test_a_consumer_behind_a_closed_gate_stops(bus: MemoryBus, places: Places) -> None:
    slot = Slot()
    slot.free.clear()
    async with consuming(bus, places, Log(), gate=slot):
        await asyncio.sleep(0)


async def test_handlers_work_under_the_trace_of_their_message(bus: MemoryBus, places: Places) -> None:
    log, traces = Log(), list[str | None]()

    async def handle(envelope: Envelope) -> Decision:
        traces.append(context.TRACEPARENT.get())
        return await log(envelope)

    async with consuming(bus, places, handle):
        await send(bus, places, body("a", traceparent="00-1-2-01"), body("b"))
        await log.until(2)
    assert traces == ["00-1-2-01", None]
