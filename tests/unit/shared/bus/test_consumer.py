"""The consumer decides once for each message, and begins again whatever the broker does."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from shared.bus.consumer import Consumer, DeadLetter, Decision, Done, Gate, TryAgain
from shared.bus.memory import MemoryBus
from shared.bus.port import Queue, SubscriptionLost
from shared.contracts.envelope import Envelope
from shared.errors import Terminal, Transient
from shared.observe import context
from shared.process.waiting import Backoff
from tests.contract.bus_places import Places, drain, new_places, take

Handle = Callable[[Envelope], Awaitable[Decision]]
QUICK = Backoff(first=0.001, longest=0.002)


class Broken(Terminal):
    """Article {name} is broken."""


class Busy(Transient):
    """Come back later."""


@pytest.fixture
async def places() -> Places:
    return new_places()


@pytest.fixture
async def bus(places: Places) -> MemoryBus:
    bus = MemoryBus()
    await bus.declare(places.topology)
    return bus


def body(subject: str = "a", **members: object) -> bytes:
    envelope = Envelope(source="/test", type="test.v1", subject=subject, data={})
    return json.dumps(json.loads(envelope.model_dump_json()) | members).encode()


async def send(bus: MemoryBus, places: Places, *bodies: bytes) -> None:
    for number, one in enumerate(bodies):
        await bus.publish(one, to=places.to_work, message_id=str(number), message_type="test.v1")


class Log:
    """Handles messages as told, and knows which it has seen."""

    def __init__(self, *answers: Decision | BaseException) -> None:
        self.answers = list(answers)
        self.seen: list[str] = []
        self._changed = asyncio.Event()

    async def __call__(self, envelope: Envelope) -> Decision:
        self.seen.append(envelope.subject)
        self._changed.set()
        answer = self.answers.pop(0) if self.answers else Done()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.seen) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def consuming(
    bus: MemoryBus,
    places: Places,
    handle: Handle,
    *,
    slots: int = 1,
    gate: Gate | None = None,
    patience: float = 5,
) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    consumer = Consumer(bus, places.work, handle, slots=slots, gate=gate, patience=patience, backoff=QUICK)
    consumer._pause = QUICK
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer.run(stop))
        try:
            yield stop
        finally:
            stop.set()


async def dead(bus: MemoryBus, places: Places, count: int = 1) -> list[str]:
    async with asyncio.timeout(10):
        return await drain(bus, places.dead, count)


async def test_a_message_is_handled_once_and_acknowledged(bus: MemoryBus, places: Places) -> None:
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, body("a"), body("b"))
        await log.until(2)
    assert log.seen == ["a", "b"]
    assert not len(bus._queues[places.work.name])


@pytest.mark.parametrize(
    "unreadable",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 50_000,
        body(specversion="2.0"),
        body(id="x"),
        body(data="text"),
        body(datacontenttype="text/xml"),
        body(schemamajor=2),
    ],
    ids=lambda text: text[:20].decode("latin1"),
)
async def test_what_cannot_be_read_is_a_dead_letter_and_the_next_is_handled(
    bus: MemoryBus, places: Places, unreadable: bytes
) -> None:
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, unreadable, body("good"))
        await log.until(1)
        async with bus.subscribe(places.dead) as subscription:
            assert (await take(subscription)).body == unreadable
    assert log.seen == ["good"]


async def test_an_oversized_message_is_a_dead_letter(
    bus: MemoryBus, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bus.memory.MAX_BODY_BYTES", 10_000_000)
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, body("x" * 65_536), body("good"))
        await log.until(1)
        assert len((await dead(bus, places))[0]) > 65_536
    assert log.seen == ["good"]


async def test_unknown_members_and_newer_minors_are_read(bus: MemoryBus, places: Places) -> None:
    log = Log()
    async with consuming(bus, places, log):
        await send(bus, places, body("a", schemaminor=99, newmember={"x": 1}))
        await log.until(1)
    assert log.seen == ["a"]


@pytest.mark.parametrize(
    "answer", [DeadLetter("it is wrong"), Broken(name="screw")], ids=["decided", "terminal error"]
)
async def test_what_trying_again_cannot_help_is_a_dead_letter(
    bus: MemoryBus, places: Places, answer: Decision | BaseException
) -> None:
    log = Log(answer)
    async with consuming(bus, places, log):
        await send(bus, places, body("bad"), body("good"))
        await log.until(2)
        assert len(await dead(bus, places)) == 1
    assert log.seen == ["bad", "good"]


@pytest.mark.parametrize(
    "answer",
    [TryAgain("not yet"), Busy(), RuntimeError("a bug"), asyncio.CancelledError()],
    ids=["decided", "transient error", "bug", "cancelled from within"],
)
async def test_what_trying_again_may_help_comes_again(
    bus: MemoryBus, places: Places, answer: Decision | BaseException
) -> None:
    log = Log(answer)
    async with consuming(bus, places, log):
        await send(bus, places, body("a"))
        await log.until(2)
    assert log.seen == ["a", "a"]


async def test_a_message_that_always_fails_ends_among_the_dead_letters(
    bus: MemoryBus, places: Places
) -> None:
    log = Log(*[RuntimeError("poison")] * 3)
    async with consuming(bus, places, log):
        await send(bus, places, body("poison"), body("good"))
        await log.until(4)
        assert len(await dead(bus, places)) == 1
    assert log.seen == ["poison"] * 3 + ["good"]


async def test_a_handler_that_hangs_is_given_up(bus: MemoryBus, places: Places) -> None:
    begun: list[str] = []

    async def hang(envelope: Envelope) -> Decision:
        begun.append(envelope.subject)
        await asyncio.Event().wait()
        return Done()

    async with consuming(bus, places, hang, patience=0.01):
        await send(bus, places, body("a"))
        assert len(await dead(bus, places)) == 1
    assert begun == ["a"] * 3


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
