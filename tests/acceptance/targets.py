"""Databases that runs write to, seen from outside."""

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.acceptance.workshop import Workshop
from tests.servers.postgres import Dsn

READ_SECONDS = 2.0


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
        with contextlib.closing(sqlite3.connect(self.file, timeout=READ_SECONDS)) as reader:
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
