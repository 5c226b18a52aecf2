"""Connections are closed, cut, refused or end in a black hole."""

import asyncio

import pytest

from shared.bus.port import PublishUnknown, SubscriptionLost
from shared.bus.rabbit import RabbitBus
from tests.contract.bus_places import Places, drain, send, take
from tests.faults.bus.working import consuming, eventually, insist, publish, sending
from tests.servers import proxy, rabbitmq


async def test_an_operator_who_closes_connections_stops_nobody(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with consuming(bus, places.work) as seen:
        async with sending(bus, places) as stream:
            for _ in range(3):
                await seen.until_more_than(len(seen.subjects) + 20)
                await broker.close_connections()
            await seen.until_more_than(len(seen.subjects) + 20)
        await seen.until(*stream.confirmed)


async def test_cut_connections_lose_nothing_that_was_confirmed(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    async with consuming(far_bus, places.work) as seen:
        async with sending(far_bus, places) as stream:
            for _ in range(5):
                await seen.until_more_than(len(seen.subjects) + 20)
                network.cut()
            await seen.until_more_than(len(seen.subjects) + 20)
        await seen.until(*stream.confirmed)
    assert network.accepted >= 2 + 5


async def test_what_is_in_flight_when_the_connection_is_cut_is_unknown(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    await send(far_bus, places.to_work, "connected")
    network.hold()
    flying = [asyncio.create_task(publish(far_bus, places, f"m{number}")) for number in range(20)]
    await asyncio.sleep(0)
    network.cut()
    network.heal()
    outcomes = await asyncio.gather(*flying, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {PublishUnknown, type(None)}
    await insist(far_bus, places, "after")


async def test_a_black_hole_is_an_unknown_outcome_in_time_and_heals(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    await send(far_bus, places.to_work, "before")
    network.hold()
    async with asyncio.timeout(3):
        with pytest.raises(PublishUnknown, match=r"no answer within 0\.5 s"):
            await publish(far_bus, places, "swallowed", within=0.5)
    async with asyncio.timeout(3):
        assert not await far_bus.healthy()
    # The caller was told in time: nobody cancelled it behind its back.
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    network.heal()
    await insist(far_bus, places, "after")
    await eventually(far_bus, healthy=True)


async def test_whoever_waits_until_a_dead_connection_is_noticed_is_told_and_not_cancelled(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    await send(far_bus, places.to_work, "before")
    network.hold()
    async with asyncio.timeout(20):
        with pytest.raises(PublishUnknown, match="connection was lost"):
            await publish(far_bus, places, "swallowed", within=30)


async def test_a_connection_that_the_network_forgot_is_replaced_before_its_heartbeat_is_missed(
    broker: rabbitmq.Broker, network: proxy.Proxy, places: Places
) -> None:
    url = broker.url.replace(f":{broker.port}/", f":{network.port}/")
    patient = RabbitBus(url, name="tests", heartbeat=60)
    await patient.declare(places.topology)
    await send(patient, places.to_work, "before")
    network.forget()
    with pytest.raises(PublishUnknown):
        await publish(patient, places, "swallowed", within=0.5)
    await insist(patient, places, "after")
    await patient.close()


async def test_a_consumer_behind_a_black_hole_is_told_and_comes_back(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    async with far_bus.subscribe(places.work) as subscription:
        waiting = asyncio.create_task(anext(subscription))
        network.hold()
        async with asyncio.timeout(15):
            with pytest.raises(SubscriptionLost):
                await waiting
    network.heal()
    async with consuming(far_bus, places.work) as seen:
        await insist(far_bus, places, "after")
        await seen.until("after")


async def test_publishing_goes_on_through_black_holes(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    async with consuming(far_bus, places.work) as seen:
        async with sending(far_bus, places) as stream:
            await seen.until_more_than(20)
            network.hold()
            async with asyncio.timeout(20):
                await stream.failed.wait()
            network.heal()
            await seen.until_more_than(len(seen.subjects) + 20)
        await seen.until(*stream.confirmed)


async def test_a_held_message_is_refused_settling_once_its_connection_is_gone(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    await send(far_bus, places.to_work, "a")
    async with far_bus.subscribe(places.work) as subscription:
        delivery = await take(subscription)
        network.cut()
        with pytest.raises(SubscriptionLost):
            await take(subscription)
        with pytest.raises(SubscriptionLost):
            await delivery.reject(requeue=True)
    assert await drain(far_bus, places.work, 1) == ["a"]


async def test_closing_a_bus_behind_a_black_hole_ends_soon(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    await send(far_bus, places.to_work, "a")
    async with far_bus.subscribe(places.work) as subscription:
        await take(subscription)
        network.hold()
        async with asyncio.timeout(10):
            await far_bus.close()
    with pytest.raises(PublishUnknown):
        await publish(far_bus, places, "late")


async def test_whoever_overhears_is_told_of_a_cut_and_can_hear_again(
    far_bus: RabbitBus, places: Places, network: proxy.Proxy
) -> None:
    async with far_bus.overhear(places.hints) as hearing:
        await send(far_bus, places.to_hints, "before")
        assert await anext(hearing) == b"before"
        network.cut()
        with pytest.raises(SubscriptionLost):
            await asyncio.wait_for(anext(hearing), 15)
    async with far_bus.overhear(places.hints) as hearing:
        await insist_on_hint(far_bus, places)
        assert await asyncio.wait_for(anext(hearing), 15) == b"after"


async def insist_on_hint(bus: RabbitBus, places: Places) -> None:
    """Say it until the broker has it: the connection that publishes was cut, too."""
    for attempt in range(20):
        try:
            return await send(bus, places.to_hints, "after")
        except PublishUnknown:
            assert attempt < 19
    return None
