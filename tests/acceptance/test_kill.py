"""SIGKILL in the middle of a run: its locks come free at once, and after a restart each row is there once."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance import process
from tests.acceptance.process import Penstock, wait_for
from tests.acceptance.targets import PostgresTarget, SqliteTarget, Target
from tests.acceptance.workshop import Workshop, owner, rows
from tests.servers.postgres import Dsn

ROWS = 400_000
FREE_SECONDS = 2.0
FINISH_SECONDS = 100.0


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: Dsn) -> Iterator[Target]:
    if request.param == "sqlite":
        yield SqliteTarget(tmp_path / "var" / "sqlite" / "default" / "warehouse.db")
        return
    dsn = asyncio.run(postgres_server.create_database())
    yield PostgresTarget(dsn)
    asyncio.run(postgres_server.drop_database(dsn))


MOMENTS: dict[str, Callable[[Target], bool]] = {
    "while it writes": lambda target: target.written_to(),
    "just after the commit": lambda target: target.filled(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_finishes_after_a_restart_with_each_row_once(
    target: Target, tmp_path: Path, moment: str
) -> None:
    with process.running(tmp_path / "var") as running:
        workshop = Workshop(owner(running))
        table = workshop.table("t", target.resource(workshop))
        run = workshop.start(workshop.task("t", workshop.upload("t.csv", rows(ROWS)), table))
        wait_for(lambda: MOMENTS[moment](target), seconds=60, what=moment)
        killed = killed_with_its_children(running)
        if moment == "while it writes":
            assert not target.filled()
        target.lock_all(FREE_SECONDS)
        assert time.monotonic() - killed < FREE_SECONDS
    with process.running(tmp_path / "var") as running:
        ended = Workshop(owner(running)).finished(run, seconds=FINISH_SECONDS)
        assert ended["state"] == "succeeded", ended
        assert ended["counts"]["written"] == ROWS
        assert target.count() == (ROWS, ROWS)


def killed_with_its_children(running: Penstock) -> float:
    """Kill the main process alone; the time at which it was done. Its children end by themselves."""
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert children
    running.kill()
    moment = time.monotonic()
    gone, alive = psutil.wait_procs(children, timeout=FREE_SECONDS)
    assert (len(gone), alive) == (len(children), [])
    return moment
