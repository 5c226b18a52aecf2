"""What every bus promises to those who receive."""

import asyncio

from shared.bus.port import (
    Bus,
)
from tests.contract.bus_places import PATIENCE, Places, drain, send, take, take_text


class DeliveringContract:
    # Receiving

    async def test_messages_come_in_the_order_of_publishing(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, *"abcdefghij")
        async with bus.subscribe(places.work) as subscription:
            assert [await take_text(subscription) for _ in range(10)] == list("abcdefghij")

    async def test_a_message_published_later_reaches_a_waiting_subscription(
        self, bus: Bus, places: Places
    ) -> None:
        async with bus.subscribe(places.work) as subscription, asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(take_text(subscription))
            await send(bus, places.to_work, "a")
            assert await taking == "a"

    async def test_an_acknowledged_message_does_not_come_again(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        assert await drain(bus, places.work, 1) == ["a"]
        await send(bus, places.to_work, "marker")
        assert await drain(bus, places.work, 1) == ["marker"]

    async def test_no_more_than_prefetch_are_handed_out_unsettled(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b", "c")
        async with bus.subscribe(places.work, prefetch=2) as first:
            held = [await take(first), await take(first)]
            # The third one is free for somebody else: it wasn't handed to the first.
            assert await drain(bus, places.work, 1) == ["c"]
            for delivery in held:
                await delivery.ack()

    async def test_settling_makes_room_for_the_next(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b")
        async with bus.subscribe(places.work, prefetch=1) as subscription:
            first = await take(subscription)
            assert first.body == b"a"
            await first.ack()
            assert await take_text(subscription) == "b"

    async def test_messages_are_settled_in_any_order(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b", "c")
        async with bus.subscribe(places.work, prefetch=3) as subscription:
            a, b, c = [await take(subscription) for _ in range(3)]
            await c.ack()
            await a.ack()
            await b.reject(requeue=True)
            again = await take(subscription)
            assert again.body == b"b"
            await again.ack()

    async def test_consumers_share_a_queue_and_each_message_comes_once(
        self, bus: Bus, places: Places
    ) -> None:
        bodies = [f"{number:02}" for number in range(40)]
        seen: list[str] = []

        async def consume() -> None:
            async with bus.subscribe(places.work) as subscription:
                async for delivery in subscription:
                    await delivery.ack()
                    seen.append(delivery.body.decode())
                    if len(seen) == len(bodies):
                        everything.set()

        everything = asyncio.Event()
        consumers = [asyncio.create_task(consume()) for _ in range(4)]
        await send(bus, places.to_work, *bodies)
        async with asyncio.timeout(PATIENCE):
            await everything.wait()
        for consumer in consumers:
            consumer.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)
        assert sorted(seen) == bodies

    async def test_a_waiting_consumer_gets_its_share(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b")
        async with bus.subscribe(places.work) as first, bus.subscribe(places.work) as second:
            one, other = await take(first), await take(second)
            assert {one.body, other.body} == {b"a", b"b"}
            await one.ack()
            await other.ack()


class RedeliveringContract:
    # Coming again

    async def test_what_a_closed_subscription_held_comes_again_and_is_counted(
        self, bus: Bus, places: Places
    ) -> None:
        await send(bus, places.to_work, "a")
        for count in (0, 1, 2):
            async with bus.subscribe(places.work) as subscription:
                delivery = await take(subscription)
                assert (delivery.redelivered, delivery.delivery_count) == (count > 0, count)

    async def test_a_message_rejected_to_come_again_is_counted(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        async with bus.subscribe(places.work) as subscription:
            await (await take(subscription)).reject(requeue=True)
            again = await take(subscription)
            assert (again.redelivered, again.delivery_count) == (True, 1)
            await again.ack()

    async def test_a_message_returned_past_its_limit_is_a_dead_letter(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "marker")
        async with bus.subscribe(places.work) as subscription:
            while (delivery := await take(subscription)).body == b"a":
                await delivery.reject(requeue=True)
            assert delivery.body == b"marker"
            await delivery.ack()
        assert await drain(bus, places.dead, 1) == ["a"]

    async def test_a_message_that_kills_its_consumers_is_a_dead_letter_alone(
        self, bus: Bus, places: Places
    ) -> None:
        await send(bus, places.to_work, "poison", "innocent")
        for _ in range(places.work.delivery_limit + 1):
            async with bus.subscribe(places.work, prefetch=1) as subscription:
                assert (await take(subscription)).body == b"poison"
        assert await drain(bus, places.work, 1) == ["innocent"]
        assert await drain(bus, places.dead, 1) == ["poison"]

    async def test_a_message_rejected_for_good_is_a_dead_letter(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        async with bus.subscribe(places.work) as subscription:
            await (await take(subscription)).reject(requeue=False)
        async with bus.subscribe(places.dead) as subscription:
            dead = await take(subscription)
            assert (dead.body, dead.message_id, dead.message_type) == (b"a", "id-a", "test")
            await dead.ack()

    async def test_a_queue_without_dead_letters_drops_what_is_given_up(
        self, bus: Bus, places: Places
    ) -> None:
        await send(bus, places.to_small, "a", "marker")
        async with bus.subscribe(places.small) as subscription:
            await (await take(subscription)).reject(requeue=False)
            assert await take_text(subscription) == "marker"
        await send(bus, places.to_work, "b")
        async with bus.subscribe(places.work) as subscription:
            await (await take(subscription)).reject(requeue=False)
        assert await drain(bus, places.dead, 1) == ["b"]
