"""A PostgreSQL that stops answering, or stops what it does for us."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import Sql, Statement, Work
from services.etl.tables.errors import TargetHalfway, TargetLost
from services.etl.tables.physical import Place
from services.etl.tables.targets import _postgresql_watch
from services.etl.tables.targets._postgresql_errors import translated
from services.etl.tables.targets._postgresql_watch import answering, let_go
from services.etl.tables.targets.base import Target
from tests.servers.postgres import Dsn

from .target_contract import TABLE_ID

pytestmark = pytest.mark.postgres

SLEEP = "SELECT pg_catalog.pg_sleep(60)"


@pytest.fixture
async def connection(postgres_database: Dsn) -> AsyncIterator[Any]:
    found = await postgres_database.connect()
    yield found
    found.terminate()


async def asleep(connection: Any) -> None:
    """In a transaction, of which the driver wants to hear again at its end."""
    with translated(), answering(connection, within=0.3):
        async with connection.transaction():
            await connection.execute(SLEEP)


async def test_a_server_that_says_nothing_more_is_lost_even_to_a_transaction(connection: Any) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(TargetLost):
            await asleep(connection)


class Frozen:
    """A connection on which the driver waits for an answer to its rollback, until it is ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def terminate(self) -> None:
        self.ended.set()

    async def work(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await self.ended.wait()


async def test_a_change_that_is_cancelled_does_not_wait_for_a_frozen_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_postgresql_watch, "_CANCEL_SECONDS", 0.05)
    connection = Frozen()
    changing = asyncio.create_task(let_go(connection, connection.work()))
    await asyncio.wait({changing}, timeout=0.05)

    changing.cancel()

    await asyncio.wait({changing}, timeout=10)
    assert changing.cancelled()


async def test_many_statements_may_take_longer_than_each_of_them(connection: Any) -> None:
    with translated(), answering(connection, within=0.5):
        for _ in range(8):
            await connection.fetch("SELECT pg_catalog.pg_sleep($1)", 0.1)


async def test_what_is_ended_at_the_server_after_a_part_was_committed_is_halfway(
    postgresql: Target, postgres_database: Dsn
) -> None:
    place = Place(TABLE_ID, Location("public", "t"), ("t",))
    work = Work(
        (
            Statement(Sql("CREATE TABLE public.t (a int)"), "safe", "It is asked for."),
            Statement(Sql(SLEEP), "safe", "It is asked for.", alone=True),
        )
    )
    changing = asyncio.ensure_future(postgresql.carry_out(place, lambda _: work, told=lambda *_: None))

    async with asyncio.timeout(20):
        while not changing.done():
            await postgres_database.fetch(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = $1", SLEEP
            )
            await asyncio.sleep(0)

    with pytest.raises(TargetHalfway):
        await changing
