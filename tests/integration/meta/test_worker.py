"""Scans survive what happens to workers and messages, and nobody writes without a lease."""

import asyncio

import pytest

from services.meta.recording.service import Counts
from services.meta.sync.attempts import Attempt, AttemptProgress
from services.meta.sync.errors import LeaseLost
from services.meta.sync.upkeep import MAX_LOST, Upkeep
from shared.engines.errors import ConnectRefused
from tests.integration.meta.bench import Bench


class Work:
    """A perform that waits until it is let go; it remembers its attempts."""

    def __init__(self, *, complete: bool = True, error: Exception | None = None, held: bool = False) -> None:
        self.attempts: list[Attempt] = []
        self.go = asyncio.Event()
        self._complete = complete
        self._error = error
        if not held:
            self.go.set()

    async def __call__(self, attempt: Attempt) -> bool:
        self.attempts.append(attempt)
        await self.go.wait()
        if self._error is not None:
            raise self._error
        return self._complete


async def test_a_scan_is_performed_once_by_several_workers(bench: Bench) -> None:
    work = Work()
    async with bench.running(bench.worker(work), bench.worker(work)):
        log = await bench.until("success")
    assert [attempt.number for attempt in work.attempts] == [1]
    assert log.active_key is None
    assert log.lease_until is None


async def test_what_failed_in_part_and_as_a_whole(bench: Bench) -> None:
    async with bench.running(bench.worker(Work(complete=False))):
        await bench.until("partial")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectRefused(step="authenticate", reason="no"), "connect_failed"),
        (RuntimeError("boom with a secret"), "internal_error"),
    ],
)
async def test_an_error_ends_the_scan_with_its_code(bench: Bench, error: Exception, code: str) -> None:
    async with bench.running(bench.worker(Work(error=error))):
        log = await bench.until("failed")
    assert log.error_code == code
    assert "secret" not in (log.error or "")


async def test_a_scan_that_takes_too_long_is_ended(bench: Bench) -> None:
    async with bench.running(bench.worker(Work(held=True), scan=0.2)):
        assert (await bench.until("failed")).error_code == "scan_too_long"


async def test_a_stopping_worker_gives_its_scan_back_uncharged(bench: Bench) -> None:
    work = Work(held=True)
    async with bench.running(bench.worker(work)):
        await bench.until("running")
    log = await bench.log()
    assert (log.status, log.lost, log.lease_owner) == ("queued", 0, None)
    work.go.set()
    async with bench.running(bench.worker(work)):
        await bench.until("success")
    assert [attempt.number for attempt in work.attempts] == [1, 2]


async def test_a_scan_whose_worker_is_gone_is_done_by_another_and_the_first_writes_nothing(
    bench: Bench,
) -> None:
    lost, upkeep = Work(held=True), Upkeep(bench.database)
    async with bench.running(bench.worker(lost, beat=60.0, slots=1)):
        await bench.until("running")
        await bench.expire_lease()
        assert await upkeep.reap() == 1
        second = Work(held=True)
        async with bench.running(bench.worker(second)):
            await bench.until_log(lambda log: log.status == "running" and log.attempt == 2)
            with pytest.raises(LeaseLost):
                async with bench.database.write() as session:
                    await AttemptProgress(lost.attempts[0]).note(
                        session, Counts(tables_scanned=5), [], where="main"
                    )
            second.go.set()
            await bench.until("success")
        lost.go.set()
    log = await bench.log()
    assert (log.status, log.attempt, log.lost, log.tables_scanned) == ("success", 2, 1, 0)


async def test_a_scan_that_keeps_losing_its_worker_is_given_up(bench: Bench) -> None:
    upkeep = Upkeep(bench.database)
    for number in range(1, MAX_LOST + 1):
        async with bench.running(bench.worker(Work(held=True), beat=60.0)):
            await bench.until("running")
            await bench.expire_lease()
            assert await upkeep.reap() == 1
        assert (await bench.log()).attempt == number
    log = await bench.log()
    assert (log.status, log.error_code, log.active_key) == ("failed", "worker_lost", None)


async def test_heartbeats_keep_a_lease_that_would_have_ended(bench: Bench) -> None:
    work = Work(held=True)
    async with bench.running(bench.worker(work, lease=0.4)):
        await bench.until("running")
        first = (await bench.log()).lease_until
        assert first is not None
        await bench.until_log(lambda log: log.lease_until is not None and log.lease_until > first)
        assert await Upkeep(bench.database).reap() == 0
        work.go.set()
        await bench.until("success")


async def test_a_lost_message_is_sent_again(bench: Bench) -> None:
    await bench.lose_messages()
    upkeep = Upkeep(bench.database, patience=30.0)
    assert await upkeep.reconcile() == 0
    await bench.change("UPDATE sync_log SET announced_at = '2020-01-01 00:00:00.000000'")
    assert await upkeep.reconcile() == 1
    async with bench.running(bench.worker(Work())):
        await bench.until("success")


async def test_a_cancelled_scan_stops_within_a_heartbeat(bench: Bench) -> None:
    work = Work(held=True)
    async with bench.running(bench.worker(work)):
        await bench.until("running")
        await bench.change("UPDATE sync_log SET cancel_requested_at = announced_at")
        log = await bench.until("cancelled")
    assert log.error is None
