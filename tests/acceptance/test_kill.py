"""SIGKILL in the middle of a run: its locks come free at once, and after a restart each row is there once."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from tests.acceptance import process
from tests.acceptance.process import Penstock, wait_for
from tests.acceptance.workshop import Workshop, owner, rows
from tests.servers.postgres import Dsn

ROWS = 400_000
FREE_SECONDS = 2.0
FINISH_SECONDS = 100.0


class Target(Protocol):
    """A database that a run writes to, seen from outside."""

    def resource(self, workshop: Workshop) -> str:
        """The id of the resource of this database."""
        ...

    def written_to(self) -> bool:
        """Whether somebody holds a lock that a writer holds."""
        ...

    def filled(self) -> bool:
        """Whether rows are there for all to see."""
        ...

    def lock_all(self, seconds: float) -> None:
        """Take the lock that excludes everybody, within this time, and give it back."""
        ...

    def count(self) -> tuple[int, int]:
        """The rows, and the different keys."""
        ...


@dataclass(frozen=True)
class SqliteTarget:
    file: Path

    def resource(self, workshop: Workshop) -> str:
        return workshop.warehouse()

    def written_to(self) -> bool:
        try:
            self.lock_all(0)
        except sqlite3.OperationalError:
            return True
        return False

    def filled(self) -> bool:
        # A large transaction spills into the file before its commit, and readers have to wait.
        with contextlib.suppress(sqlite3.OperationalError):
            return self._fetch("SELECT count(*) FROM (SELECT 1 FROM t LIMIT 1)") == (1,)
        return False

    def lock_all(self, seconds: float) -> None:
        with contextlib.closing(sqlite3.connect(self.file, timeout=seconds, isolation_level=None)) as taken:
            taken.execute("BEGIN IMMEDIATE")
            taken.execute("ROLLBACK")

    def count(self) -> tuple[int, int]:
        rows_there, keys = self._fetch("SELECT count(*), count(DISTINCT id) FROM t")
        return rows_there, keys

    def _fetch(self, query: str) -> tuple[int, ...]:
        # Not read-only: the first to come after a crash has to roll the journal back.
        with contextlib.closing(sqlite3.connect(self.file, timeout=FREE_SECONDS)) as reader:
            found: tuple[int, ...] = reader.execute(query).fetchone()
            return found


@dataclass(frozen=True)
class PostgresTarget:
    dsn: Dsn

    def resource(self, workshop: Workshop) -> str:
        connection = {
            "type": "postgresql",
            "host": self.dsn.host,
            "port": self.dsn.port,
            "database": self.dsn.database,
            "user": self.dsn.user,
            "password": self.dsn.password,
            "tls": "disable",
        }
        return workshop.resource("postgres", connection)

    def written_to(self) -> bool:
        locks = (
            "SELECT count(*) FROM pg_locks WHERE relation = to_regclass('t') AND mode = 'RowExclusiveLock'"
        )
        return self._fetch(locks) != (0,)

    def filled(self) -> bool:
        return self._fetch("SELECT count(*) FROM (SELECT 1 FROM t LIMIT 1) AS one") == (1,)

    def lock_all(self, seconds: float) -> None:
        timeout = f"SET lock_timeout = {int(seconds * 1000)}"
        asyncio.run(self.dsn.execute(timeout + "; BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; COMMIT"))

    def count(self) -> tuple[int, int]:
        rows_there, keys = self._fetch("SELECT count(*), count(DISTINCT id) FROM t")
        return rows_there, keys

    def _fetch(self, query: str) -> tuple[int, ...]:
        (found,) = asyncio.run(self.dsn.fetch(query))
        return found


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
