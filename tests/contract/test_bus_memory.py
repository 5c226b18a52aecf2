"""The in-process bus keeps the promises of every bus, and suffers the faults it is given."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.bus.memory import MemoryBus
from shared.bus.port import Address, Bus, PublishUnknown, Queue
from tests.contract.bus import BusContract
from tests.contract.bus_places import Places, drain, new_places, send


class TestMemoryBus(BusContract):
    @pytest.fixture
    async def bus(self) -> AsyncIterator[Bus]:
        bus = MemoryBus()
        yield bus
        await bus.close()

    async def break_queue(self, bus: Bus, queue: Queue) -> None:
        assert isinstance(bus, MemoryBus)
        bus.delete(queue)


async def open_bus() -> tuple[MemoryBus, Places]:
    bus, places = MemoryBus(), new_places()
    await bus.declare(places.topology)
    return bus, places


async def test_a_fault_that_waits_is_an_unknown_outcome() -> None:
    bus, places = await open_bus()

    async def hang(to: Address, message_id: str) -> None:
        await asyncio.Event().wait()

    bus.fault = hang
    with pytest.raises(PublishUnknown):
        await bus.publish(b"a", to=places.to_work, message_id="1", message_type="test", within=0.01)


async def test_a_fault_that_raises_keeps_the_message_out() -> None:
    bus, places = await open_bus()

    async def refuse(to: Address, message_id: str) -> None:
        if message_id == "id-a":
            raise PublishUnknown(reason="the test says so")

    bus.fault = refuse
    with pytest.raises(PublishUnknown):
        await send(bus, places.to_work, "a")
    await send(bus, places.to_work, "b")
    assert await drain(bus, places.work, 1) == ["b"]


async def test_what_a_stopped_subscription_never_showed_goes_back_uncounted() -> None:
    bus, places = await open_bus()
    await send(bus, places.to_work, "a", "b")
    async with bus.subscribe(places.work, prefetch=2) as subscription:
        assert (await anext(subscription)).body == b"a"
        await subscription.stop()
        async with bus.subscribe(places.work) as other:
            assert (await anext(other)).delivery_count == 0


async def test_dead_letters_beyond_the_room_for_them_push_out_the_oldest() -> None:
    bus, places = await open_bus()
    tiny = Queue(f"{places.dead.name}.tiny", places.dead.bindings, max_length=2, dead_letter=False)
    topology = places.topology
    await bus.declare(type(topology)(topology.exchanges, (*topology.queues, tiny), topology.dead_letters))
    await send(bus, places.to_work, "a", "b", "c")
    async with bus.subscribe(places.work, prefetch=3) as subscription:
        for _ in range(3):
            await (await anext(subscription)).reject(requeue=False)
    assert await drain(bus, tiny, 2) == ["b", "c"]
