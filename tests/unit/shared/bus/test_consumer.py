"""The consumer decides once for each message."""

import asyncio

import pytest

from shared.bus.consumer import DeadLetter, Decision, Done, TryAgain
from shared.bus.memory import MemoryBus
from shared.contracts.envelope import Envelope
from shared.errors import Terminal, Transient
from tests.contract.bus_places import Places, take
from tests.unit.shared.bus.consuming import Log, body, consuming, dead, send


class Broken(Terminal):
    """Article {name} is broken."""


class Busy(Transient):
    """Come back later."""


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
