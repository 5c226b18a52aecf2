"""Private servers as sources of the story."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from tests.servers import mariadb, postgres
from tests.team.scenario import Source

T = TypeVar("T")


class Database(Protocol):
    """One database of a private server, for arranging and checking."""

    async def execute(self, *statements: str) -> None: ...

    async def fetch(self, query: str) -> list[tuple[Any, ...]]: ...


def postgresql(dsn: postgres.Dsn) -> Source:
    """A PostgreSQL database that Penstock reaches where the test does."""
    return source("postgresql", dsn, **_place(dsn))


def mysql(dsn: mariadb.MariaDsn) -> Source:
    """A MariaDB database that Penstock reaches where the test does."""
    return source("mysql", dsn, **_place(dsn))


def source(kind: str, server: Database, **connection: Any) -> Source:
    """A database that the test reaches by itself, and Penstock by `connection`."""
    return Source(
        kind,
        {"type": kind, **connection},
        execute=lambda statement: awaited(server.execute(statement)),
        fetch=lambda query: awaited(server.fetch(query)),
    )


def _place(dsn: postgres.Dsn | mariadb.MariaDsn) -> dict[str, Any]:
    return {
        "host": dsn.host,
        "port": dsn.port,
        "user": dsn.user,
        "password": dsn.password,
        "database": dsn.database,
    }


def awaited(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine for a test without a loop; pytest's own loop is left alone."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
