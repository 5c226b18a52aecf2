"""What one process commits, others look for at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from services.etl.runs.hints import RunHints
from services.etl.runs.spreading import Spreading
from shared.bus.memory import MemoryBus
from shared.bus.port import Address, PublishUnknown
from shared.bus.topology import HINTS, TOPOLOGY
from shared.identifiers import uuid7

PATIENCE = 10.0


@asynccontextmanager
async def processes(bus: MemoryBus, count: int) -> AsyncIterator[list[RunHints]]:
    """So many processes on one bus, each with hints of its own."""
    hinted, stop = [RunHints() for _ in range(count)], asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for hints in hinted:
            group.create_task(Spreading(bus, hints).run(stop))
        try:
            yield hinted
        finally:
            stop.set()


async def tells(teller: RunHints, hearer: RunHints, run_id: UUID) -> None:
    """Tell until the other hears: what is said before it listens is lost, as it may be."""
    with hearer.news.follow(run_id) as news:
        heard = asyncio.ensure_future(news.wait(PATIENCE))
        async with asyncio.timeout(PATIENCE):
            while not heard.done():
                teller.news.tell(run_id)
                await asyncio.wait([heard], timeout=0.01)


async def declared() -> MemoryBus:
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    return bus


async def test_news_and_cancels_reach_every_other_process() -> None:
    async with processes(await declared(), 3) as (api, *runners):
        run_id = uuid7()
        for runner in runners:
            await tells(api, runner, run_id)
        cancels = [runner.cancels.follow(run_id) for runner in runners]
        followers = [cancel.__enter__() for cancel in cancels]
        waiting = asyncio.gather(*(follower.wait(PATIENCE) for follower in followers))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        api.cancels.tell(run_id)
        await waiting
        assert asyncio.get_running_loop().time() - began < PATIENCE / 2
        for cancel in cancels:
            cancel.__exit__(None, None, None)


async def test_a_hint_is_not_passed_on_again_by_those_who_heard_it() -> None:
    async with processes(await declared(), 2) as (api, runner):
        passed_on: list[UUID] = []
        runner.news.spread = passed_on.append
        await tells(api, runner, uuid7())
        assert passed_on == []


async def test_hints_of_many_runs_are_sent_together_in_messages_that_fit() -> None:
    bus, runs = await declared(), [uuid7() for _ in range(2_000)]
    messages = 0

    async def count(to: Address, message_id: str) -> None:
        nonlocal messages
        messages += 1

    async with processes(bus, 2) as (api, runner):
        await tells(api, runner, uuid7())
        bus.fault = count
        with runner.news.follow(runs[-1]) as news:
            waiting = asyncio.ensure_future(news.wait(PATIENCE))
            await asyncio.sleep(0)
            for run_id in runs:
                api.news.tell(run_id)
            await waiting
    assert 4 <= messages <= 8


async def test_a_bus_that_fails_loses_hints_and_nothing_else() -> None:
    bus, failing = await declared(), True

    async def fail(to: Address, message_id: str) -> None:
        if failing:
            raise PublishUnknown(reason="the test says so")

    async with processes(bus, 2) as (api, runner):
        bus.fault = fail
        for _ in range(3):
            api.news.tell(uuid7())
            await asyncio.sleep(0)
        failing = False
        await tells(api, runner, uuid7())


async def test_what_is_no_hint_is_not_heard() -> None:
    bus = await declared()
    async with processes(bus, 2) as (api, runner):
        await tells(api, runner, uuid7())
        for body in (b"", b"{}", b"[1", b"\xff"):
            await bus.publish(body, to=HINTS, message_id="1", message_type="test")
        await tells(api, runner, uuid7())
