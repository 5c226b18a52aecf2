"""Backgrounds are started again when they crash, and ended within a bound, whatever they do."""

import asyncio

import pytest

from shared.errors import Unavailable
from shared.process.background import Supervisor
from shared.process.waiting import Backoff, until

QUICK = Backoff(first=0.001, longest=0.002)


class Obedient:
    def __init__(self) -> None:
        self.runs = 0
        self.stopped = False

    async def run(self, stop: asyncio.Event) -> None:
        self.runs += 1
        await stop.wait()
        self.stopped = True


class Crashing:
    """Fails as told, then lives on."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.steady = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        if self.failures:
            raise self.failures.pop()
        self.steady.set()
        await stop.wait()


class Deaf:
    """Heeds no stop; `times` cancellations neither."""

    def __init__(self, times: int = 0) -> None:
        self.times = times
        self.ended = False

    async def run(self, stop: asyncio.Event) -> None:
        for _ in range(self.times):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def test_backgrounds_run_while_the_block_is_open() -> None:
    one, other = Obedient(), Obedient()
    async with Supervisor(one, other):
        await asyncio.sleep(0)
        assert (one.runs, other.runs) == (1, 1)
    assert (one.stopped, other.stopped) == (True, True)


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("a bug"), asyncio.CancelledError(), OSError(), TimeoutError()],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_background_that_crashes_is_started_again(failure: BaseException) -> None:
    crashing, other = Crashing(failure, failure, failure), Obedient()
    async with Supervisor(crashing, other, backoff=QUICK), asyncio.timeout(5):
        await crashing.steady.wait()
    assert other.runs == 1


async def test_a_background_that_returns_is_finished() -> None:
    class Once:
        runs = 0

        async def run(self, stop: asyncio.Event) -> None:
            self.runs += 1

    once = Once()
    async with Supervisor(once, backoff=QUICK):
        await asyncio.sleep(0.02)
    assert once.runs == 1


async def test_a_background_that_waits_to_be_started_again_stops_at_once() -> None:
    crashing = Crashing(*[RuntimeError()] * 9)
    async with asyncio.timeout(2), Supervisor(crashing, backoff=Backoff(first=60, longest=60)):
        await asyncio.sleep(0)


async def test_a_background_that_heeds_no_stop_is_cancelled() -> None:
    deaf, obedient = Deaf(), Obedient()
    async with asyncio.timeout(5), Supervisor(deaf, obedient, patience=0.02):
        await asyncio.sleep(0)
    assert deaf.ended
    assert obedient.stopped


async def test_a_background_that_heeds_nothing_does_not_hold_the_end_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deaf = Deaf(times=2)
    supervisor = Supervisor(deaf, patience=0.02)
    async with asyncio.timeout(5), supervisor:
        await asyncio.sleep(0)
    assert not deaf.ended
    assert "background_stuck" in caplog.text
    [task] = supervisor._tasks
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.01)


async def test_an_error_in_the_block_stops_the_backgrounds_and_is_raised() -> None:
    background = Obedient()

    async def fail() -> None:
        async with Supervisor(background):
            await asyncio.sleep(0)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert background.stopped


async def test_being_cancelled_while_stopping_cancels_the_backgrounds() -> None:
    deaf = Deaf()

    async def live() -> None:
        async with Supervisor(deaf, patience=60):
            await asyncio.sleep(0)

    task = asyncio.create_task(live())
    await asyncio.sleep(0.01)
    task.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert deaf.ended


async def test_waiting_ends_with_what_is_waited_for_or_with_the_stop() -> None:
    stop = asyncio.Event()
    assert await until(asyncio.sleep(0), stop)
    asyncio.get_running_loop().call_later(0.01, stop.set)
    async with asyncio.timeout(5):
        assert not await until(asyncio.Event().wait(), stop)
    assert not await until(asyncio.Event().wait(), stop)


async def test_an_error_of_what_is_waited_for_is_raised() -> None:
    async def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await until(fail(), asyncio.Event())


async def test_a_cancelled_wait_cancels_what_it_waited_for() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(until(work(), asyncio.Event()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()


def test_pauses_double_up_to_the_longest_and_vary() -> None:
    backoff = Backoff(first=1, longest=8)
    for failures, whole in ((0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10_000, 8)):
        pauses = {backoff.seconds(failures) for _ in range(50)}
        assert all(whole / 2 <= pause <= whole for pause in pauses)
        assert len(pauses) > 40


async def test_one_that_waits_for_a_server_is_told_in_a_line_and_without_a_stack(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = Crashing(*(Unavailable(what="The database") for _ in range(5)))
    async with Supervisor(one, backoff=QUICK):
        async with asyncio.timeout(5):
            await one.steady.wait()
    told = [record for record in caplog.records if "background_delayed" in record.getMessage()]
    assert len(told) == 3
    assert not any(record.exc_info or "Traceback" in record.getMessage() for record in told)
    assert "The database can't be reached right now." in told[0].getMessage()
