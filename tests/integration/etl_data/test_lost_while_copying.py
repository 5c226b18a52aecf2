"""A connection that is lost while rows are sent ends the sending."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from services.etl.destinations._postgresql_copy import ended_with
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.postgres
SECONDS = 30
SLOW_TABLE = (
    "CREATE TABLE slow (a text)",
    (
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
    ),
    "CREATE TRIGGER waits BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION wait()",
)


async def test_a_session_that_is_ended_while_the_driver_waits_for_room(postgres_database: Dsn) -> None:
    await postgres_database.execute(*SLOW_TABLE)
    connection, sent = await postgres_database.connect(), 0

    async def rows() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 60_000 + b"\n"

    copying = connection.copy_to_table("slow", source=rows(), format="text")
    task = asyncio.ensure_future(ended_with(connection, copying))
    await until_no_more_is_sent(lambda: sent)
    await postgres_database.fetch("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    with pytest.raises(asyncpg.PostgresError):
        await asyncio.wait_for(task, SECONDS)
    connection.terminate()


async def until_no_more_is_sent(count: Callable[[], int]) -> None:
    """Until the server has stopped reading and the driver's buffer is full."""
    async with asyncio.timeout(SECONDS):
        before = -1
        while count() == 0 or count() != before:
            before = count()
            await asyncio.sleep(0.3)
