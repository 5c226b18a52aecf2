"""A runner that is killed or frozen in the middle of a run: another finishes it, each row is there once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from services.etl.pipeline.job import Job
from services.etl.runner.loop import Runner
from services.etl.runs.models import Run
from services.etl.runs.states import State
from shared.identifiers import RunId
from tests.integration.etl_data.jobs import Jobs, MariaTable, PostgresTable, SqliteTable, columns_of
from tests.integration.etl_runs.loading import content, count, executing, means, spec_of
from tests.integration.etl_runs.scene import TENANT, Scene, database_at, eventually, sqlite_url
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

ROWS = 500_000
"""Enough for a fast machine, too, to be hit while it writes."""
RECOVERED_SECONDS = 20.0
"""Well below the 30 seconds of a lease: the death of a local runner is noticed, not waited for."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    database = await database_at(sqlite_url(tmp_path))
    yield Scene(database, tmp_path)
    await database.close()


@pytest.fixture
async def shared_scene(postgres_server: Dsn, tmp_path: Path) -> AsyncIterator[tuple[Scene, str]]:
    """The ETL database on a server: a frozen process may hold a lock on the whole of a file."""
    dsn = await postgres_server.create_database()
    database = await database_at(dsn.url)
    yield Scene(database, tmp_path), dsn.url
    await database.close()
    await postgres_server.drop_database(dsn)


@pytest.fixture
async def in_sqlite(tmp_path: Path) -> Jobs:
    return await with_table(Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path))


@pytest.fixture
async def in_postgresql(postgres_database: Dsn, tmp_path: Path) -> Jobs:
    return await with_table(Jobs(PostgresTable(postgres_database), tmp_path))


@pytest.fixture
async def in_mysql(mariadb_database: MariaDsn, tmp_path: Path) -> Jobs:
    return await with_table(Jobs(MariaTable(mariadb_database), tmp_path))


SERVERS = [
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=["sqlite", *SERVERS])
def goods(request: pytest.FixtureRequest) -> Jobs:
    found: Jobs = request.getfixturevalue(f"in_{request.param}")
    return found


@pytest.fixture(params=SERVERS)
def on_server(request: pytest.FixtureRequest) -> Jobs:
    found: Jobs = request.getfixturevalue(f"in_{request.param}")
    return found


async def with_table(jobs: Jobs) -> Jobs:
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@contextmanager
def runner_process(database: str, tmp_path: Path, job: Job) -> Iterator[subprocess.Popen[str]]:
    """A runner in a process group of its own, which is gone at the end."""
    given = {"database": database, "job": job.to_wire()}
    with (tmp_path / "runner.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.faults.etl_runs.runner_process"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.close()
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def loads(scene: Scene, run: Run) -> None:
    async def look() -> bool:
        found = await scene.run(run.id)
        return bool(found.state == State.RUNNING and found.progress and found.progress["read"])

    await eventually(look, seconds=60.0)


async def finish(scene: Scene, job: Job, run: Run) -> Run:
    """What another runner makes of the run."""
    async with executing() as executor:
        successor = Runner(means(scene, spec_of(job), executor), scene.bus)
        async with scene.at_work(successor, *scene.upkeep()):
            return await scene.becomes(run.id, State.SUCCEEDED)


async def outcomes(scene: Scene, run: Run) -> list[str | None]:
    _, attempts = await scene.service.get(TENANT, RunId(run.id))
    return [attempt.outcome for attempt in attempts]


async def test_a_runner_that_is_killed_is_followed_at_once(scene: Scene, goods: Jobs, tmp_path: Path) -> None:
    job = goods.job(content(ROWS), key=())
    run = await scene.start()
    with runner_process(sqlite_url(tmp_path), tmp_path, job) as process:
        await loads(scene, run)
        process.kill()
        process.wait()
        async with asyncio.timeout(RECOVERED_SECONDS + 40.0):
            done = await finish(scene, job, run)
    assert await count(goods) == (ROWS, ROWS)
    assert await outcomes(scene, run) == ["lost", "succeeded"]
    _, attempts = await scene.service.get(TENANT, RunId(run.id))
    first, second = attempts
    assert first.ended_at is not None
    assert second.started_at - first.started_at < timedelta(seconds=RECOVERED_SECONDS)
    assert (done.attempt, done.charged) == (2, 2)


@pytest.mark.postgres
async def test_a_runner_that_freezes_is_overtaken_and_its_rows_do_not_come_afterwards(
    shared_scene: tuple[Scene, str], on_server: Jobs, tmp_path: Path
) -> None:
    scene, database = shared_scene
    job = on_server.job(content(ROWS), key=())
    run = await scene.start()
    with runner_process(database, tmp_path, job) as process:
        await loads(scene, run)
        os.killpg(process.pid, signal.SIGSTOP)
        held = await scene.run(run.id)
        assert held.lease_until is not None
        async with scene.database.write() as session:
            earlier = held.lease_until - timedelta(seconds=60)
            await session.execute(update(Run).where(Run.id == run.id).values(lease_until=earlier))
        done = await finish(scene, job, run)
        assert await count(on_server) == (ROWS, ROWS)
        os.killpg(process.pid, signal.SIGCONT)
        await eventually(says(tmp_path, "lease_lost", "not ours any more"))
    assert await count(on_server) == (ROWS, ROWS)
    after = await scene.run(run.id)
    assert (after.state, after.state_seq) == (State.SUCCEEDED, done.state_seq)


def says(folder: Path, *words: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        log = (folder / "runner.log").read_text()
        return any(word in log for word in words)

    return look
