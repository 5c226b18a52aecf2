"""What every bus promises when a subscription, a queue or the bus itself ends."""

import asyncio

import pytest

from shared.bus.port import (
    Bus,
    BusError,
    Delivery,
    PublishUnknown,
    Queue,
    SubscriptionLost,
)
from tests.contract.bus_places import PATIENCE, Places, drain, send, take, take_text


class EndingContract:
    async def break_queue(self, bus: Bus, queue: Queue) -> None:
        """Delete a queue behind the bus's back."""
        raise NotImplementedError

    # Ending

    async def test_a_stopped_subscription_settles_what_it_holds(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b")
        async with bus.subscribe(places.work, prefetch=1) as subscription:
            held = await take(subscription)
            await subscription.stop()
            await held.ack()
        async with bus.subscribe(places.work) as subscription:
            following = await take(subscription)
            # Not even the acknowledgement pulled the next one to a subscription that was stopped before.
            assert (following.body, following.delivery_count) == (b"b", 0)
            await following.ack()

    async def test_iterating_a_stopped_subscription_ends(self, bus: Bus, places: Places) -> None:
        async with bus.subscribe(places.work) as subscription:

            async def consume() -> list[Delivery]:
                return [delivery async for delivery in subscription]

            consuming = asyncio.create_task(consume())
            await subscription.stop()
            async with asyncio.timeout(PATIENCE):
                assert await consuming == []

    async def test_a_stopped_subscription_leaves_messages_to_others(self, bus: Bus, places: Places) -> None:
        async with bus.subscribe(places.work, prefetch=5) as subscription:
            await subscription.stop()
            await send(bus, places.to_work, "a")
            assert await drain(bus, places.work, 1) == ["a"]

    async def test_settling_after_the_subscription_closed_is_refused(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        async with bus.subscribe(places.work) as subscription:
            late = await take(subscription)
        with pytest.raises(SubscriptionLost):
            await late.ack()
        async with bus.subscribe(places.work) as subscription:
            assert (await take(subscription)).body == b"a"

    async def test_settling_twice_is_refused(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a", "b")
        async with bus.subscribe(places.work) as subscription:
            delivery = await take(subscription)
            await delivery.ack()
            with pytest.raises(BusError):
                await delivery.reject(requeue=True)
        assert await drain(bus, places.work, 1) == ["b"]

    async def test_a_broken_queue_ends_its_subscriptions_with_an_error(
        self, bus: Bus, places: Places
    ) -> None:
        async with bus.subscribe(places.work) as subscription:
            waiting = asyncio.create_task(take(subscription))
            await self.break_queue(bus, places.work)
            with pytest.raises(SubscriptionLost):
                await waiting

    async def test_a_broken_queue_refuses_settling(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        async with bus.subscribe(places.work) as subscription:
            delivery = await take(subscription)
            await self.break_queue(bus, places.work)
            with pytest.raises(SubscriptionLost):
                await take(subscription)
            with pytest.raises(SubscriptionLost):
                await delivery.ack()

    async def test_a_broken_queue_works_again_when_it_is_declared_again(
        self, bus: Bus, places: Places
    ) -> None:
        await self.break_queue(bus, places.work)
        await bus.declare(places.topology)
        await send(bus, places.to_work, "a")
        assert await drain(bus, places.work, 1) == ["a"]

    async def test_subscribing_to_a_queue_that_is_not_there_is_refused(
        self, bus: Bus, places: Places
    ) -> None:
        with pytest.raises(SubscriptionLost):
            async with bus.subscribe(Queue("t.nowhere", ())):
                pass

    async def test_a_cancelled_wait_loses_no_message(self, bus: Bus, places: Places) -> None:
        async with bus.subscribe(places.work) as subscription:
            waiting = asyncio.create_task(take(subscription))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await send(bus, places.to_work, "a")
            assert await take_text(subscription) == "a"

    async def test_an_open_bus_is_healthy(self, bus: Bus, places: Places) -> None:
        assert await bus.healthy()

    async def test_a_closed_bus_is_not_healthy_and_takes_nothing(self, bus: Bus, places: Places) -> None:
        await bus.close()
        assert not await bus.healthy()
        with pytest.raises(PublishUnknown):
            await send(bus, places.to_work, "a")
        with pytest.raises(SubscriptionLost):
            async with bus.subscribe(places.work):
                pass

    async def test_closing_the_bus_ends_its_subscriptions(self, bus: Bus, places: Places) -> None:
        async with bus.subscribe(places.work) as subscription:
            waiting = asyncio.create_task(take(subscription))
            await bus.close()
            with pytest.raises(SubscriptionLost):
                await waiting

    async def test_closing_twice_does_no_harm(self, bus: Bus, places: Places) -> None:
        await bus.close()
        await bus.close()
