"""Waiting for a database, in words: nobody is there, nobody is let in, an old schema, a newer one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from shared.db import migrations
from shared.db.errors import DatabaseNewer
from shared.db.session import Database
from shared.db.waiting import until_current
from shared.errors import Unavailable
from tests.servers.postgres import Dsn
from tests.servers.private import free_port

CLOSED: dict[str, Callable[[Dsn], Dsn]] = {
    "nobody listens at its address": lambda dsn: replace(dsn, port=free_port()),
    "the name of its host has no address": lambda dsn: replace(dsn, host="database.invalid"),
    "the server doesn't take our user and password": lambda dsn: replace(dsn, password="CANARY"),
    "the server has no such database": lambda dsn: replace(dsn, database="nowhere"),
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'system.db'}"


@asynccontextmanager
async def waiting(url: str, *, migrate: bool) -> AsyncIterator[tuple[asyncio.Task[None], list[str]]]:
    told: list[str] = []
    task = asyncio.create_task(until_current(url, "system", migrate=migrate, tell=told.append))
    try:
        yield task, told
    finally:
        task.cancel()
        await asyncio.wait({task})


async def heard(told: list[str]) -> None:
    async with asyncio.timeout(10):
        while not told:  # noqa: ASYNC110 - the list tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.postgres
@pytest.mark.parametrize("reason", CLOSED)
async def test_a_database_that_cannot_be_used_is_unavailable_and_the_reason_has_no_secret(
    postgres_server: Dsn, reason: str
) -> None:
    database = Database(CLOSED[reason](postgres_server).url, pool_size=1)
    with pytest.raises(Unavailable) as raised:
        await database.ping()
    await database.close()
    assert raised.value.facts["reason"] == reason


@pytest.mark.postgres
async def test_a_database_is_waited_for_until_it_is_there_and_migrated(
    postgres_server: Dsn, caplog: pytest.LogCaptureFixture
) -> None:
    made = await postgres_server.create_database()
    await postgres_server.drop_database(made)
    async with waiting(made.url, migrate=True) as (task, told):
        await heard(told)
        assert told[0] == "its database"
        await postgres_server.execute(f'CREATE DATABASE "{made.database}"')
        await asyncio.wait_for(task, 30)
    database = Database(made.url, pool_size=1)
    assert await migrations.current(database, "system") == migrations.head("system")
    await database.close()
    await postgres_server.drop_database(made)
    assert "the server has no such database" in caplog.text
    assert made.password not in caplog.text


async def test_a_schema_is_waited_for_until_somebody_has_migrated(url: str) -> None:
    async with waiting(url, migrate=False) as (task, told):
        await heard(told)
        assert told[0] == "the migration of its database"
        await asyncio.to_thread(migrations.upgrade, url, "system")
        await asyncio.wait_for(task, 10)


async def test_a_newer_schema_is_not_waited_for(url: str) -> None:
    await until_current(url, "system", migrate=True)
    database = Database(url, pool_size=1)
    async with database.write() as session:
        await session.execute(sa.text("UPDATE alembic_version_system SET version_num = '9999'"))
    await database.close()
    with pytest.raises(DatabaseNewer):
        await asyncio.wait_for(until_current(url, "system", migrate=False), 10)


async def test_a_database_that_goes_away_during_the_first_work_with_it_is_waited_for_again(url: str) -> None:
    tried, told = [Unavailable(what="The database"), None], list[str]()

    async def work() -> None:
        if (failure := tried.pop(0)) is not None:
            raise failure

    await asyncio.wait_for(until_current(url, "system", migrate=True, tell=told.append, then=work), 10)
    assert (tried, told) == ([], ["its database"])
