"""The broker stops, crashes, forgets everything, or is short of disk."""

import asyncio
import re

import pytest

from shared.bus.port import BusError, PublishRefused, PublishUnknown, SubscriptionLost
from shared.bus.rabbit import RabbitBus
from tests.contract.bus_places import Places, drain, new_places, send, take
from tests.faults.bus.working import consuming, eventually, insist, publish, sending
from tests.servers import rabbitmq


async def test_nothing_confirmed_is_lost_while_the_broker_stops_and_starts(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with consuming(bus, places.work) as seen:
        async with sending(bus, places) as stream:
            for _ in range(2):
                await seen.until_more_than(len(seen.subjects) + 20)
                await broker.stop_app()
                await eventually(bus, healthy=False)
                await broker.start_app()
            await seen.until_more_than(len(seen.subjects) + 20)
        await seen.until(*stream.confirmed)
    assert stream.failed.is_set()


async def test_a_bus_made_before_the_broker_declares_as_soon_as_it_is_there(
    broker: rabbitmq.Broker, places: Places
) -> None:
    await broker.stop_app()
    early = RabbitBus(broker.url, name="tests")
    try:
        with pytest.raises(BusError, match="nobody takes connections"):
            await early.declare(places.topology)
        assert not await early.healthy()
        with pytest.raises(PublishUnknown):
            await send(early, places.to_work, "a")
        with pytest.raises(SubscriptionLost):
            await drain(early, places.work, 1)
    finally:
        await broker.start_app()
    await send(early, places.to_work, "a")
    assert await drain(early, places.work, 1) == ["a"]
    await early.close()


async def test_a_wiped_broker_is_furnished_by_those_who_come_back(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with consuming(bus, places.work) as seen:
        await insist(bus, places, "before")
        await seen.until("before")
        await broker.wipe()
        await insist(bus, places, "after")
        await seen.until("after")


async def test_a_broker_that_crashed_has_what_it_confirmed(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    await asyncio.gather(*(publish(bus, places, f"m{number}") for number in range(50)))
    await broker.restart()
    async with consuming(bus, places.work) as seen:
        await seen.until(*(f"m{number}" for number in range(50)))


async def test_a_broker_without_disk_refuses_messages_and_still_hands_them_out(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    await send(bus, places.to_work, "a", "b")
    usual = await broker.ask("rabbit_disk_monitor:get_disk_free_limit().")
    await broker.ask("rabbit_disk_monitor:set_disk_free_limit(1000000000000000).")
    try:
        with pytest.raises(PublishUnknown, match="short of memory or disk"):
            await publish(bus, places, "blocked", within=1.0)
        with pytest.raises(PublishRefused, match="short of memory or disk"):
            await publish(bus, places, "refused", within=1.0)
        assert not await bus.healthy()
        assert await drain(bus, places.work, 2) == ["a", "b"]
    finally:
        await broker.ask(f"rabbit_disk_monitor:set_disk_free_limit({usual}).")
    await insist(bus, places, "after")
    async with consuming(bus, places.work) as seen:
        await seen.until("after")


async def test_a_wrong_password_is_told_without_it(broker: rabbitmq.Broker) -> None:
    stranger = RabbitBus(re.sub(r":\w+@", ":guessed@", broker.url), name="tests")
    with pytest.raises(BusError) as refused:
        await stranger.declare(new_places().topology)
    assert "user or password" in str(refused.value)
    assert "guessed" not in f"{refused.value!r} {refused.value.__cause__!r} {stranger!r}"
    await stranger.close()


async def test_a_virtual_host_that_is_not_there_is_told(broker: rabbitmq.Broker) -> None:
    lost = RabbitBus(broker.url.replace("/%2F", "/nowhere"), name="tests")
    with pytest.raises(BusError, match="virtual host"):
        await lost.declare(new_places().topology)
    await lost.close()


async def test_a_healthy_answer_comes_from_the_broker_and_in_time(
    bus: RabbitBus, broker: rabbitmq.Broker
) -> None:
    assert await bus.healthy()
    await broker.stop_app()
    async with asyncio.timeout(3):
        assert not await bus.healthy()
    await broker.start_app()
    async with asyncio.timeout(3):
        assert await bus.healthy()


async def test_a_delivery_from_before_a_restart_can_not_be_settled_and_comes_again(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    await send(bus, places.to_work, "a")
    async with bus.subscribe(places.work) as subscription:
        delivery = await take(subscription)
        await broker.stop_app()
        await broker.start_app()
        with pytest.raises(SubscriptionLost):
            await take(subscription)
        with pytest.raises(SubscriptionLost):
            await delivery.ack()
    async with bus.subscribe(places.work) as subscription:
        again = await take(subscription)
        assert (again.body, again.redelivered) == (b"a", True)
        await again.ack()
