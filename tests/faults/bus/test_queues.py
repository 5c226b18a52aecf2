"""Queues, exchanges and bindings vanish while they are used."""

import asyncio

import aio_pika
import pytest

from shared.bus.port import PublishRefused, SubscriptionLost, Unroutable
from shared.bus.rabbit import RabbitBus
from shared.bus.rabbit_subscription import RabbitSubscription
from tests.contract.bus_places import Places, drain, send, take
from tests.faults.bus.working import consuming, eventually, insist, silence
from tests.servers import rabbitmq


async def test_a_consumer_whose_queue_is_deleted_makes_it_anew(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with consuming(bus, places.work) as seen:
        for subject in ("first", "second", "third"):
            await insist(bus, places, subject)
            await seen.until(subject)
            await broker.delete_queue(places.work.name)
        await insist(bus, places, "last")
        await seen.until("last")


async def test_subscribing_to_a_deleted_queue_of_ours_makes_it_anew(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with bus.subscribe(places.work):
        await broker.delete_queue(places.work.name)
    async with bus.subscribe(places.work) as subscription:
        await send(bus, places.to_work, "a")
        assert (await take(subscription)).body == b"a"


async def test_subscriptions_and_probes_leave_no_channels_behind(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    for _ in range(10):
        await drain(bus, places.work, 0)
        assert await bus.healthy()
    async with asyncio.timeout(10):
        while await broker.ask("length(rabbit_channel:list()).") != "0":
            await silence(0.05)


async def test_a_queue_deleted_and_made_again_at_once_is_consumed_again(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    async with consuming(bus, places.work) as seen:
        await insist(bus, places, "before")
        await seen.until("before")
        await broker.delete_queue(places.work.name)
        await bus.declare(places.topology)
        await insist(bus, places, "after")
        await seen.until("after")


async def test_a_consumer_that_hears_nothing_is_renewed(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(self: RabbitSubscription, told: object) -> None:
        """As a driver that swallows the broker's cancellation."""

    monkeypatch.setattr(RabbitSubscription, "_on_cancel", deaf)
    async with bus.subscribe(places.work) as subscription:
        waiting = asyncio.create_task(take(subscription))
        await broker.delete_queue(places.work.name)
        await bus.declare(places.topology)
        await send(bus, places.to_work, "a")
        assert (await waiting).body == b"a"


async def test_renewing_an_idle_consumer_loses_and_repeats_nothing(bus: RabbitBus, places: Places) -> None:
    async with consuming(bus, places.work) as seen:
        for number in range(12):
            await insist(bus, places, f"m{number}")
            await silence(0.5)  # the pause after which an idle consumer is renewed: they meet
        await seen.until("m11")
    assert seen.subjects == [f"m{number}" for number in range(12)]


async def test_a_consumer_at_work_is_not_renewed(bus: RabbitBus, places: Places) -> None:
    await send(bus, places.to_work, "a", "b")
    async with bus.subscribe(places.work) as subscription:
        held = await take(subscription)
        await silence(2.0)
        async with bus.subscribe(places.work) as other:
            assert (await take(other)).body == b"b"
        await held.ack()


async def test_a_queue_without_a_leader_is_told_until_it_has_one(
    bus: RabbitBus, places: Places, broker: rabbitmq.Broker
) -> None:
    assert await bus.healthy()
    process = f"{{'%2F_{places.work.name}', node()}}"
    await broker.ask(f"ok = ra:stop_server(quorum_queues, {process}).")
    with pytest.raises(PublishRefused, match="out of order"):
        await send(bus, places.to_work, "a")
    with pytest.raises(SubscriptionLost):
        await drain(bus, places.work, 1)
    assert not await bus.healthy()
    await broker.ask(f"ok = ra:restart_server(quorum_queues, {process}).")
    async with consuming(bus, places.work) as seen:
        await eventually(bus, healthy=True)
        await insist(bus, places, "after")
        await seen.until("after")


async def test_a_removed_binding_is_told_and_mended(bus: RabbitBus, places: Places, url: str) -> None:
    async with await aio_pika.connect(url) as operator:
        channel = await operator.channel()
        queue = await channel.get_queue(places.work.name)
        await queue.unbind(places.to_work.exchange, places.to_work.key)
    with pytest.raises(Unroutable):
        await send(bus, places.to_work, "a")
    await send(bus, places.to_work, "b")


async def test_a_deleted_exchange_is_told_and_mended(bus: RabbitBus, places: Places, url: str) -> None:
    async with await aio_pika.connect(url) as operator:
        await (await operator.channel()).exchange_delete(places.to_work.exchange)
    with pytest.raises(Unroutable):
        await send(bus, places.to_work, "a")
    await send(bus, places.to_work, "b")


@pytest.fixture
def url(broker: rabbitmq.Broker) -> str:
    return broker.url
