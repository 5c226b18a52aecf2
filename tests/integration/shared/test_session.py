"""Units of work keep all or nothing, and nothing is lost between concurrent writers."""

import asyncio
import contextlib
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from shared.bus import topology
from shared.contracts.identity import TenantScope
from shared.contracts.messages import RunRequested
from shared.db.errors import AlreadyExists, OutdatedWrite, unique_or
from shared.db.session import Database, WriteSession
from shared.db.statements import upsert
from shared.errors import Unavailable, VersionOutdated
from shared.identifiers import RunId, uuid7
from tests.integration.shared import shop
from tests.integration.shared.shop import Article, OutboxMessage, WritableArticles


def article(scope: TenantScope, name: str | None = "screw", **values: object) -> Article:
    return Article(tenant_id=scope.tenant_id, name=name, **values)


async def count(database: Database, model: type = Article) -> int:
    async with database.read() as session:
        found: int = await session.scalar(sa.select(sa.func.count()).select_from(model))
        return found


def say_something(session: WriteSession, scope: TenantScope) -> None:
    message = RunRequested(tenant_id=scope.tenant_id, run_id=RunId(uuid7()))
    session.outbox.add(message, to=topology.RUN_REQUESTED, subject="run/1", tenant_id=scope.tenant_id)


async def add_or_conflict(database: Database, row: Article) -> None:
    async with database.write() as session:
        with unique_or(AlreadyExists()):
            await WritableArticles(session).add(row)


async def test_a_clean_exit_commits_rows_and_messages(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        session.add(article(scope))
        say_something(session, scope)
    assert await count(database) == 1
    assert await count(database, OutboxMessage) == 1


async def test_an_exception_rolls_everything_back(database: Database, scope: TenantScope) -> None:
    async def fail() -> None:
        async with database.write() as session:
            await WritableArticles(session).add(article(scope))
            say_something(session, scope)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await count(database) == 0
    assert await count(database, OutboxMessage) == 0


async def test_a_cancellation_rolls_everything_back(database: Database, scope: TenantScope) -> None:
    inside = asyncio.Event()

    async def work() -> None:
        async with database.write() as session:
            await WritableArticles(session).add(article(scope))
            say_something(session, scope)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await count(database) == 0
    assert await count(database, OutboxMessage) == 0


async def test_writers_cancelled_at_any_moment_leave_the_database_usable(
    database: Database, scope: TenantScope
) -> None:
    async def work(number: int) -> None:
        async with database.write() as session:
            for part in range(3):
                await WritableArticles(session).add(article(scope, f"{number}-{part}"))

    for patience in range(40):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience * 0.0005):
                await work(patience)
    async with asyncio.timeout(10):
        await work(99)
    assert await count(database) % 3 == 0


async def test_sixty_writers_that_read_and_then_write_lose_nothing(
    database: Database, scope: TenantScope
) -> None:
    async with database.write() as session:
        await WritableArticles(session).add(article(scope))

    async def take_in() -> None:
        for _ in range(10):
            async with database.write() as session:
                # A row lock on PostgreSQL; SQLite has the whole file locked and leaves the clause out.
                found = await session.one_or_none(sa.select(Article).with_for_update())
                found.stock += 1

    await asyncio.gather(*(take_in() for _ in range(60)))
    async with database.read() as reading:
        assert await reading.scalar(sa.select(Article.stock)) == 600


async def test_writers_of_two_processes_lose_nothing(
    url: str, database: Database, scope: TenantScope
) -> None:
    other = Database(url)
    async with database.write() as session:
        await WritableArticles(session).add(article(scope))

    async def take_in(into: Database) -> None:
        for _ in range(10):
            async with into.write() as session:
                found = await session.one_or_none(sa.select(Article).with_for_update())
                found.stock += 1

    await asyncio.gather(*(take_in(into) for _ in range(5) for into in (database, other)))
    await other.close()
    async with database.read() as reading:
        assert await reading.scalar(sa.select(Article.stock)) == 100


async def test_readers_are_served_while_a_writer_is_at_work(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        await WritableArticles(session).add(article(scope))
        async with asyncio.timeout(2):
            assert await count(database) == 0


async def test_a_read_session_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.read() as session:
            await session.execute(sa.delete(Article))


async def test_two_writers_of_one_version_cannot_both_succeed(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        stored = await WritableArticles(session).add(article(scope))

    async def change_behind_its_back() -> None:
        async with database.write() as session:
            found = await session.get(Article, stored.id)
            assert found is not None
            await session.execute(sa.text("UPDATE article SET version = 7"))
            found.stock = 5

    with pytest.raises(VersionOutdated) as caught:
        await change_behind_its_back()
    assert isinstance(caught.value, OutdatedWrite)


async def test_a_taken_name_is_the_conflict_that_the_caller_names(
    database: Database, scope: TenantScope
) -> None:
    async with database.write() as session:
        await WritableArticles(session).add(article(scope))
    with pytest.raises(AlreadyExists):
        await add_or_conflict(database, article(scope))


async def test_other_violations_are_not_taken_for_a_taken_name(
    database: Database, scope: TenantScope
) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)not.null"):
        await add_or_conflict(database, article(scope, None))


async def test_errors_of_the_database_show_no_parameters(database: Database, scope: TenantScope) -> None:
    with pytest.raises(DBAPIError) as caught:
        await add_or_conflict(database, article(scope, None, details={"password": "hunter2"}))
    assert "hunter2" not in str(caught.value)


async def test_wakers_are_called_after_commits_with_messages_only(
    database: Database, scope: TenantScope
) -> None:
    seen: list[int] = []
    database.on_commit_with_messages(lambda: seen.append(1))
    async with database.write() as session:
        session.add(article(scope))
    assert seen == []
    with contextlib.suppress(LookupError):
        async with database.write() as session:
            say_something(session, scope)
            raise LookupError
    assert seen == []
    async with database.write() as session:
        say_something(session, scope)
        assert seen == []
    assert seen == [1]


async def test_stream_scalars_gives_all_rows(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        session.add_all(article(scope, str(number)) for number in range(25))
    async with database.read() as session:
        rows = [row.name async for row in session.stream_scalars(sa.select(Article), batch=10)]
    assert len(rows) == 25


async def test_ping_answers(database: Database) -> None:
    await database.ping()


async def test_an_unreachable_server_is_unavailable(unused_port: int) -> None:
    database = Database(f"postgresql+asyncpg://nobody:x@127.0.0.1:{unused_port}/none")
    with pytest.raises(Unavailable):
        await database.ping()
    with pytest.raises(Unavailable):
        async with database.write():
            pass
    await database.close()


async def test_a_database_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "shop.db"
    database = Database(f"sqlite+aiosqlite:///{path}")
    async with database.write() as session:
        await session.execute(sa.text("CREATE TABLE t (n int)"))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await database.close()
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


async def test_an_upsert_is_one_statement_in_both_dialects(database: Database, scope: TenantScope) -> None:
    async with database.write() as session:
        for stock in (1, 2):
            begun = upsert(session.dialect, Article).values(
                tenant_id=scope.tenant_id, name="a", stock=stock, version=1
            )
            await session.execute(
                begun.on_conflict_do_update(
                    index_elements=[Article.tenant_id, Article.name], set_={"stock": begun.excluded.stock}
                )
            )
        assert list(await session.scalars(sa.select(Article.stock))) == [2]


async def test_a_full_disk_is_trouble_that_passes(tmp_path: Path, scope: TenantScope) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/shop.db", pool_size=1)
    await shop.create_tables(database)

    async def fill() -> None:
        async with database.write() as session:
            # The disk is full, as far as SQLite knows.
            await session.execute(sa.text("PRAGMA max_page_count = 1"))
            await WritableArticles(session).add(article(scope, "x" * 100_000))

    with pytest.raises(Unavailable) as caught:
        await fill()
    assert caught.value.facts["reason"] == "its disk is full"
    await database.close()
