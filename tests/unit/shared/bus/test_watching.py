"""The watch over the bus: not ready before it was reached once, ready without it afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.bus.memory import MemoryBus
from shared.bus.port import BusError, Topology
from shared.bus.topology import RUN_QUEUE, TOPOLOGY
from shared.bus.watching import BusNotReached, BusWatch
from shared.process.background import Supervisor


class Broker(MemoryBus):
    """A bus that can be away."""

    def __init__(self, *, away: bool) -> None:
        super().__init__()
        self.away = away

    async def declare(self, topology: Topology) -> None:
        if self.away:
            raise BusError
        await super().declare(topology)

    async def healthy(self) -> bool:
        return not self.away


@asynccontextmanager
async def watching(broker: Broker) -> AsyncIterator[BusWatch]:
    watch = BusWatch(broker, TOPOLOGY, every=0.01)
    async with Supervisor(watch):
        yield watch


async def ready(watch: BusWatch) -> bool:
    try:
        await watch.ready()
    except BusNotReached:
        return False
    return True


async def until(watch: BusWatch, *, works: bool) -> None:
    async with asyncio.timeout(5):
        while watch.works() is not works:  # noqa: ASYNC110 - the watch tells nobody by an event
            await asyncio.sleep(0.01)


async def test_a_bus_that_is_there_is_declared_and_works() -> None:
    broker = Broker(away=False)
    async with watching(broker) as watch:
        await until(watch, works=True)
        assert await ready(watch)
        async with broker.subscribe(RUN_QUEUE):
            pass


async def test_nobody_is_ready_before_the_broker_was_reached() -> None:
    broker = Broker(away=True)
    async with watching(broker) as watch:
        await asyncio.sleep(0)
        assert not watch.works()
        assert not await ready(watch)
        broker.away = False
        await until(watch, works=True)
        assert await ready(watch)


async def test_a_broker_that_goes_away_later_leaves_us_ready(caplog: pytest.LogCaptureFixture) -> None:
    broker = Broker(away=False)
    async with watching(broker) as watch:
        await until(watch, works=True)
        broker.away = True
        await until(watch, works=False)
        assert await ready(watch)
        broker.away = False
        await until(watch, works=True)
    assert "broker_lost" in caplog.text
