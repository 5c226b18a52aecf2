"""What every bus promises to those who publish and declare."""

import asyncio
import contextlib

import pytest

from shared.bus.port import (
    MAX_BODY_BYTES,
    Address,
    Binding,
    Bus,
    BusError,
    MessageTooLarge,
    PublishRefused,
    Queue,
    Topology,
    Unroutable,
)
from tests.contract.bus_places import Places, drain, send, take


class PublishingContract:
    # Publishing

    async def test_a_confirmed_message_is_in_the_queue(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        assert await drain(bus, places.work, 1) == ["a"]

    async def test_a_message_keeps_its_body_id_and_type(self, bus: Bus, places: Places) -> None:
        body = bytes(range(256))
        await bus.publish(body, to=places.to_work, message_id="42", message_type="io.penstock.test.v1")
        async with bus.subscribe(places.work) as subscription:
            delivery = await take(subscription)
            assert (delivery.body, delivery.message_id) == (body, "42")
            assert delivery.message_type == "io.penstock.test.v1"
            await delivery.ack()

    async def test_the_first_delivery_is_not_a_redelivery(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        async with bus.subscribe(places.work) as subscription:
            delivery = await take(subscription)
            assert not delivery.redelivered
            assert delivery.delivery_count == 0
            await delivery.ack()

    async def test_a_message_that_nobody_is_bound_for_is_unroutable(self, bus: Bus, places: Places) -> None:
        with pytest.raises(Unroutable):
            await send(bus, places.to_event("tenant.created"), "a")

    async def test_a_message_that_may_find_nobody_is_confirmed(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_event("tenant.created", mandatory=False), "a")

    async def test_an_unknown_exchange_is_an_error_of_the_bus(self, bus: Bus, places: Places) -> None:
        with pytest.raises(BusError):
            await send(bus, Address("t.nowhere", "work"), "a")

    async def test_publishing_works_after_a_failure(self, bus: Bus, places: Places) -> None:
        for wrong in (Address("t.nowhere", "work"), places.to_event("tenant.created")):
            with pytest.raises(BusError):
                await send(bus, wrong, "lost")
        await send(bus, places.to_work, "a")
        assert await drain(bus, places.work, 1) == ["a"]

    async def test_a_full_queue_refuses(self, bus: Bus, places: Places) -> None:
        # Brokers let one or two messages more in than the limit says.
        with pytest.raises(PublishRefused):
            await send(bus, places.to_small, *"abcdefgh")

    async def test_a_full_queue_takes_messages_again_when_it_has_room(self, bus: Bus, places: Places) -> None:
        sent = ""
        with contextlib.suppress(PublishRefused):
            for letter in "abcdefgh":
                await send(bus, places.to_small, letter)
                sent += letter
        assert "".join(await drain(bus, places.small, len(sent))) == sent
        await send(bus, places.to_small, "z")
        assert await drain(bus, places.small, 1) == ["z"]

    async def test_the_largest_body_is_taken(self, bus: Bus, places: Places) -> None:
        await bus.publish(b"x" * MAX_BODY_BYTES, to=places.to_work, message_id="1", message_type="test")
        async with bus.subscribe(places.work) as subscription:
            delivery = await take(subscription)
            assert len(delivery.body) == MAX_BODY_BYTES
            await delivery.ack()

    async def test_a_larger_body_is_refused(self, bus: Bus, places: Places) -> None:
        with pytest.raises(MessageTooLarge):
            await bus.publish(
                b"x" * (MAX_BODY_BYTES + 1), to=places.to_work, message_id="1", message_type="test"
            )

    async def test_many_messages_are_published_at_once(self, bus: Bus, places: Places) -> None:
        bodies = [f"{number:03}" for number in range(200)]
        await asyncio.gather(*(send(bus, places.to_work, body) for body in bodies))
        assert sorted(await drain(bus, places.work, 200)) == bodies

    # Routing

    async def test_a_direct_exchange_routes_by_the_whole_key(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_small, "small")
        await send(bus, places.to_work, "work")
        assert await drain(bus, places.work, 1) == ["work"]
        assert await drain(bus, places.small, 1) == ["small"]

    async def test_an_event_reaches_every_queue_that_is_bound_for_it(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_event("resource.changed"), "a")
        assert await drain(bus, places.events, 1) == ["a"]
        assert await drain(bus, places.all_events, 1) == ["a"]

    async def test_copies_of_an_event_are_settled_one_by_one(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_event("resource.changed"), "a")
        async with bus.subscribe(places.events) as subscription:
            await (await take(subscription)).reject(requeue=True)
            assert (await take(subscription)).delivery_count == 1
        async with bus.subscribe(places.all_events) as subscription:
            assert (await take(subscription)).delivery_count == 0

    @pytest.mark.parametrize("key", ["resource", "resource.a.b"])
    async def test_a_hash_stands_for_any_number_of_words(self, bus: Bus, places: Places, key: str) -> None:
        await send(bus, places.to_event(key), "other")
        assert await drain(bus, places.all_events, 1) == ["other"]
        await send(bus, places.to_event("resource.changed"), "marker")
        assert await drain(bus, places.events, 1) == ["marker"]

    @pytest.mark.parametrize("key", ["scan.done", "scan.a.done", "scan.a.b.done"])
    async def test_a_hash_stands_in_the_middle_too(self, bus: Bus, places: Places, key: str) -> None:
        await send(bus, places.to_event(key), "a")
        assert await drain(bus, places.events, 1) == ["a"]

    @pytest.mark.parametrize("key", ["scan", "scandone", "scan.done.late", "xresource.changed"])
    async def test_other_keys_do_not_match(self, bus: Bus, places: Places, key: str) -> None:
        with pytest.raises(Unroutable):
            await send(bus, places.to_event(key), "a")

    async def test_a_message_matching_a_queue_twice_comes_once(self, bus: Bus, places: Places) -> None:
        twice = Queue(
            f"{places.work.name}.twice",
            (
                Binding(places.events.bindings[0].exchange, "twice.*"),
                Binding(places.events.bindings[0].exchange, "twice.a"),
            ),
        )
        await bus.declare(
            Topology(
                places.topology.exchanges, (*places.topology.queues, twice), places.topology.dead_letters
            )
        )
        await send(bus, places.to_event("twice.a"), "a", "marker")
        assert await drain(bus, twice, 2) == ["a", "marker"]

    # Declaring

    async def test_declaring_twice_keeps_the_messages(self, bus: Bus, places: Places) -> None:
        await send(bus, places.to_work, "a")
        await bus.declare(places.topology)
        assert await drain(bus, places.work, 1) == ["a"]

    async def test_a_queue_cannot_be_declared_differently(self, bus: Bus, places: Places) -> None:
        changed = Queue(places.work.name, places.work.bindings, delivery_limit=7)
        with pytest.raises(BusError):
            await bus.declare(Topology(places.topology.exchanges, (changed,), places.topology.dead_letters))
        await send(bus, places.to_work, "a")
        assert await drain(bus, places.work, 1) == ["a"]
