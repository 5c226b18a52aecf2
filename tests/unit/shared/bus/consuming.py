"""A consumer at work in a test, and a log of what it has seen."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from shared.bus.consumer import Consumer, Decision, Done, Gate
from shared.bus.memory import MemoryBus
from shared.contracts.envelope import Envelope
from shared.process.waiting import Backoff
from tests.contract.bus_places import Places, drain

Handle = Callable[[Envelope], Awaitable[Decision]]
QUICK = Backoff(first=0.001, longest=0.002)


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
