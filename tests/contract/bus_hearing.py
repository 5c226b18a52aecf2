"""What those who overhear an exchange may rely on."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from shared.bus.port import Bus, Exchange, Hearing, SubscriptionLost, Topology
from tests.contract.bus_places import PATIENCE, Places, send


async def hear(hearing: Hearing, count: int) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        return [(await anext(hearing)).decode() for _ in range(count)]


class HearingContract:
    async def test_everyone_who_overhears_hears_everything_in_order(self, bus: Bus, places: Places) -> None:
        async with bus.overhear(places.hints) as first, bus.overhear(places.hints) as second:
            await send(bus, places.to_hints, "a", "b", "c")
            assert await hear(first, 3) == await hear(second, 3) == ["a", "b", "c"]

    async def test_what_was_said_before_or_to_nobody_is_gone(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_hints, "before")
        async with bus.overhear(places.hints) as hearing:
            await send(bus, places.to_hints, "now")
            assert await hear(hearing, 1) == ["now"]
        await send(bus, places.to_hints, "after")
        async with bus.overhear(places.hints) as hearing:
            await send(bus, places.to_hints, "again")
            assert await hear(hearing, 1) == ["again"]

    async def test_what_was_heard_before_the_end_can_still_be_read(self, bus: Bus, places: Places) -> None:
        async with bus.overhear(places.hints) as hearing, bus.overhear(places.hints) as other:
            await send(bus, places.to_hints, "a", "b")
            assert await hear(other, 2) == ["a", "b"]
            assert await hear(hearing, 1) == ["a"]
            await bus.close()
            assert await hear(hearing, 1) == ["b"]
            with pytest.raises(SubscriptionLost):
                await hear(hearing, 1)

    async def test_whoever_waits_is_told_when_the_bus_is_closed(self, bus: Bus, places: Places) -> None:
        async with bus.overhear(places.hints) as hearing:
            waiting = asyncio.ensure_future(hear(hearing, 1))
            await asyncio.sleep(0)
            await bus.close()
            with pytest.raises(SubscriptionLost):
                await waiting

    async def test_an_exchange_that_is_not_there_can_not_be_overheard(self, bus: Bus, places: Places) -> None:
        with pytest.raises(SubscriptionLost):
            async with bus.overhear(Exchange(f"{places.hints.name}.none", "fanout")):
                pass

    async def test_a_closed_bus_can_not_be_overheard(self, bus: Bus, places: Places) -> None:
        await bus.close()
        with pytest.raises(SubscriptionLost):
            async with bus.overhear(places.hints):
                pass

    async def test_many_can_overhear_and_leave(self, bus: Bus, places: Places) -> None:
        for _ in range(3):
            async with AsyncExitStack() as stack:
                hearings = [await stack.enter_async_context(bus.overhear(places.hints)) for _ in range(10)]
                await send(bus, places.to_hints, "a")
                assert [await hear(hearing, 1) for hearing in hearings] == [["a"]] * 10

    async def test_an_exchange_declared_later_can_be_overheard_from_then_on(
        self, bus: Bus, places: Places
    ) -> None:
        later = Exchange(f"{places.hints.name}.later", "fanout")
        await bus.declare(Topology((later,), (), places.topology.dead_letters))
        async with bus.overhear(later) as hearing:
            await send(bus, places.to_hints, "elsewhere")
            await bus.publish(
                b"here",
                to=type(places.to_hints)(later.name, "", mandatory=False),
                message_id="1",
                message_type="test",
            )
            assert await hear(hearing, 1) == ["here"]
