"""Killed children, killed parents, cancelled jobs: nothing half-written, and no lock left behind."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

import psutil
import pytest

from services.etl.pipeline.job import Job
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runner.messages import Lost, Phase, Progress, Succeeded
from tests.integration.etl_data.jobs import POLICY, TABLE, Heard, Jobs, MariaTable, succeeded

LOCKS_FREE_SECONDS = 2.0
ROWS = 250_000


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(soft_cancel_seconds=3.0))
    await executor.start()
    yield executor
    await executor.close()


def long_job(goods: Jobs, **changes: Any) -> Job:
    """A job that is long enough to be hit in the middle."""
    lines = "".join(f"{number},name {number},{number}.50,\n" for number in range(ROWS))
    return goods.job("id,name,price,sold\n" + lines, **changes)


@asynccontextmanager
async def under_way(executor: Executor, job: Job) -> AsyncIterator[tuple[asyncio.Task[Any], Heard]]:
    """A job that has begun to write."""
    heard = Heard()
    task = asyncio.ensure_future(executor.execute(job, heard))
    try:
        await heard.until(Progress)
        yield task, heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def assert_free_and_empty(goods: Jobs) -> None:
    """Within two seconds another session can lock the table, and finds nothing in it."""
    started = time.monotonic()
    if goods.table.sqlite_path:
        with closing(sqlite3.connect(goods.table.sqlite_path, timeout=LOCKS_FREE_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
    elif isinstance(goods.table, MariaTable):
        await goods.table.execute(f"LOCK TABLES {TABLE} WRITE WAIT {LOCKS_FREE_SECONDS:.0f}")
    else:
        await goods.table.execute(
            f"BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE; COMMIT"
        )
    assert time.monotonic() - started < LOCKS_FREE_SECONDS
    assert await goods.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]


def children_of(pid: int) -> list[psutil.Process]:
    """The data path's children of a process."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if "services.etl.runner.child" in child.cmdline():
                found.append(child)
    return found


def child_of(pid: int) -> psutil.Process:
    """The one child that a process has for the data path."""
    (child,) = children_of(pid)
    return child


def until_gone(pid: int) -> None:
    """Wait for the end of a process that somebody else waits for."""
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["append", "upsert"])
async def test_a_killed_child_is_reported_as_lost_and_writes_nothing(
    goods: Jobs, executor: Executor, mode: Any
) -> None:
    job = long_job(goods, mode=mode)
    async with under_way(executor, job) as (task, _):
        child_of(os.getpid()).kill()
        outcome = await task
    assert isinstance(outcome, Lost)
    assert "signal 9" in outcome.reason
    await assert_free_and_empty(goods)
    assert await executor.settle(job) is None


async def test_the_next_attempt_after_a_kill_loads_each_row_once(goods: Jobs, executor: Executor) -> None:
    job = long_job(goods)
    async with under_way(executor, job) as (task, _):
        child_of(os.getpid()).kill()
        await task
    again = job.model_copy(update={"attempt": 2, "fence": job.fence + 1})
    outcome = await succeeded(executor, again)
    assert outcome.counts.inserted == ROWS
    rows = await goods.table.rows(f"SELECT count(*), count(DISTINCT id) FROM {TABLE}")
    assert rows == [(ROWS, ROWS)]


async def test_a_cancelled_job_ends_within_five_seconds_and_writes_nothing(
    goods: Jobs, executor: Executor
) -> None:
    async with under_way(executor, long_job(goods)) as (task, _):
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 5
    await assert_free_and_empty(goods)


async def test_the_child_dies_with_its_parent_in_mid_load(goods: Jobs) -> None:
    job = long_job(goods)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.etl_data.runs_a_job", stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(json.dumps(job.to_wire()).encode() + b"\n")
    await parent.stdin.drain()
    async with asyncio.timeout(60):
        assert (await parent.stdout.readline()).strip() == b"loading"
    child = child_of(parent.pid)
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    child.wait(timeout=LOCKS_FREE_SECONDS)
    await assert_free_and_empty(goods)


HOLDS_THE_INTERPRETER = """
import os, re, sys
from services.etl.runner import child
child.die_with(os.getppid())
print(os.getpid(), flush=True)
re.match("(a+)+b", "a" * 60)
"""
STARTS_IT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {HOLDS_THE_INTERPRETER!r}], stdin=subprocess.PIPE)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the end of the pipe has to do")
async def test_a_child_that_holds_the_interpreter_dies_with_its_parent_too() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_IT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(60):
        child = psutil.Process(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    child.wait(timeout=LOCKS_FREE_SECONDS)


async def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.etl.runner.child", "1", stdin=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(30):
        assert await orphan.wait() == 1


async def test_a_stopped_predecessor_is_ended_by_its_successor(on_server: Jobs, executor: Executor) -> None:
    """A frozen child holds the table's locks: the next attempt ends its session and goes on."""
    goods, job = on_server, long_job(on_server)
    other = Executor(policy=POLICY)
    try:
        async with under_way(other, job):
            frozen = child_of(os.getpid())
            frozen.send_signal(signal.SIGSTOP)
            again = job.model_copy(update={"attempt": 2, "fence": job.fence + 1})
            outcome = await succeeded(executor, again)
            frozen.send_signal(signal.SIGCONT)
    finally:
        await other.close()
    assert outcome.counts.inserted == ROWS
    assert await goods.table.rows(f"SELECT count(*) FROM {TABLE}") == [(ROWS,)]


async def test_settling_ends_a_frozen_child_for_good(on_server: Jobs, executor: Executor) -> None:
    """Whoever asks for the final word gets it: what the child still sends comes too late."""
    job, other = long_job(on_server), Executor(policy=POLICY)
    try:
        async with under_way(other, job) as (task, _):
            frozen = child_of(os.getpid())
            frozen.send_signal(signal.SIGSTOP)
            assert await executor.settle(job) is None
            frozen.send_signal(signal.SIGCONT)
            outcome = await task
    finally:
        await other.close()
    assert (outcome.code, outcome.transient) == ("target_busy", True)
    await assert_free_and_empty(on_server)


async def test_a_child_that_takes_too_much_memory_is_ended_and_nothing_else(
    in_sqlite: Jobs, executor: Executor
) -> None:
    job = long_job(in_sqlite).model_copy(update={"memory_limit_mb": 128})
    outcome = await executor.execute(job, Heard())
    assert isinstance(outcome, Lost)
    assert "128 MiB" in outcome.reason
    assert isinstance(await executor.execute(in_sqlite.job("id,name,price,sold\n"), Heard()), Succeeded)


async def test_a_job_that_takes_too_long_fails_as_timed_out(in_sqlite: Jobs, executor: Executor) -> None:
    lines = "".join(f"{number},name {number},1.50,\n" for number in range(ROWS * 3))
    job = in_sqlite.job("id,name,price,sold\n" + lines)
    short = job.model_copy(update={"limits": job.limits.model_copy(update={"timeout_seconds": 1})})
    heard = Heard()
    outcome = await executor.execute(short, heard)
    assert getattr(outcome, "code", None) == "job_timed_out", outcome
    assert any(isinstance(message, Phase) for message in heard.messages)
    await assert_free_and_empty(in_sqlite)


async def test_children_are_kept_warm_and_recycled(in_sqlite: Jobs) -> None:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_after=2))
    try:
        pids = []
        for _ in range(3):
            await succeeded(executor, in_sqlite.job("id,name,price,sold\n"))
            pids.append([child.pid for child in children_of(os.getpid())])
        assert len(pids[0]) == 1
        assert pids[1] == []
        assert len(pids[2]) == 1
        assert pids[2] != pids[0]
    finally:
        await executor.close()
    assert children_of(os.getpid()) == []


async def test_an_idle_child_ends_by_itself(in_sqlite: Jobs) -> None:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(idle_seconds=0.5))
    try:
        await succeeded(executor, in_sqlite.job("id,name,price,sold\n"))
        await asyncio.to_thread(until_gone, child_of(os.getpid()).pid)
        await succeeded(executor, in_sqlite.job("id,name,price,sold\n"))
    finally:
        await executor.close()


async def test_a_warm_child_that_died_unnoticed_costs_no_job(in_sqlite: Jobs, executor: Executor) -> None:
    await succeeded(executor, in_sqlite.job("id,name,price,sold\n"))
    child_of(os.getpid()).kill()
    await succeeded(executor, in_sqlite.job("id,name,price,sold\n"))


async def test_a_closed_executor_reports_its_work_as_lost(in_sqlite: Jobs) -> None:
    executor = Executor(policy=POLICY)
    async with under_way(executor, long_job(in_sqlite)) as (task, _):
        await executor.close()
        outcome = await task
    assert isinstance(outcome, Lost)
    await assert_free_and_empty(in_sqlite)
