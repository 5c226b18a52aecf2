"""Publishing and consuming that go on whatever happens, as the relay and the services do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from shared.bus.consumer import Consumer, Decision, Done
from shared.bus.port import Bus, BusError, Queue
from shared.contracts.envelope import Envelope
from shared.process.waiting import Backoff
from tests.contract.bus_places import Places

PATIENCE = 40.0
QUICK = Backoff(first=0.05, longest=0.5)


class Seen:
    """What has been handled, how often, and waiting for it."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self._changed = asyncio.Event()

    async def __call__(self, envelope: Envelope) -> Decision:
        self.subjects.append(envelope.subject)
        self._changed.set()
        return Done()

    async def until(self, *subjects: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not set(subjects) <= set(self.subjects):
                self._changed.clear()
                await self._changed.wait()

    async def until_more_than(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.subjects) <= count:
                self._changed.clear()
                await self._changed.wait()


async def publish(bus: Bus, places: Places, subject: str, *, within: float = 2.0) -> None:
    body = Envelope(source="/test", type="test.v1", subject=subject, data={}).model_dump_json().encode()
    await bus.publish(body, to=places.to_work, message_id=subject, message_type="test.v1", within=within)


async def insist(
    bus: Bus, places: Places, subject: str, *, failed: Callable[[], None] = lambda: None
) -> None:
    """Publish until it is confirmed, as the relay does; `failed` is called each time it isn't."""
    failures = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await publish(bus, places, subject)
            except BusError:
                failures += 1
                failed()
                await asyncio.sleep(QUICK.seconds(failures))
            else:
                return


async def silence(seconds: float) -> None:
    """Let time pass in which nothing is done."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


@asynccontextmanager
async def consuming(bus: Bus, queue: Queue) -> AsyncIterator[Seen]:
    """A consumer of the services' kind at work."""
    seen, stop = Seen(), asyncio.Event()
    working = asyncio.create_task(Consumer(bus, queue, seen, slots=4, backoff=QUICK).run(stop))
    try:
        yield seen
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await working


class Sending:
    """Messages published one after the other until it is told to end; each is confirmed."""

    def __init__(self, bus: Bus, places: Places) -> None:
        self._bus = bus
        self._places = places
        self._ended = asyncio.Event()
        self.confirmed: list[str] = []
        self.failed = asyncio.Event()

    def end(self) -> None:
        self._ended.set()

    async def run(self) -> None:
        while not self._ended.is_set():
            subject = f"m{len(self.confirmed)}"
            await insist(self._bus, self._places, subject, failed=self.failed.set)
            self.confirmed.append(subject)


@asynccontextmanager
async def sending(bus: Bus, places: Places) -> AsyncIterator[Sending]:
    one = Sending(bus, places)
    task = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        one.end()
        await task


async def eventually(bus: Bus, *, healthy: bool) -> None:
    """Wait until the bus says so."""
    async with asyncio.timeout(PATIENCE):
        while await bus.healthy() is not healthy:  # noqa: ASYNC110 - the broker sends no event for that
            await asyncio.sleep(0.05)
