"""Replacing a table of MySQL: nobody sees it empty, what hangs on it stays, and a swap is done once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.etl.columns import Columns
from services.etl.destinations._target import Surroundings
from services.etl.destinations.mysql import Mysql
from services.etl.pipeline.job import Counts, Job
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    MariaTable,
    columns_of,
    failed,
    retyped,
    succeeded,
)
from tests.servers.mariadb import MariaDsn

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]

HEADER = "id,name,price,sold\n"
OLD = HEADER + "1,a,1.00,\n2,b,2.00,\n"
NEW = HEADER + "2,b,2.00,\n3,c,3.00,\n4,d,4.00,\n"
OURS = {"_penstock_fence", "_penstock_ledger", "_penstock_swap", "_penstock_cursor"}


def database(jobs: Jobs) -> MariaDsn:
    assert isinstance(jobs.table, MariaTable)
    return jobs.table.dsn


@asynccontextmanager
async def session(jobs: Jobs) -> AsyncIterator[Any]:
    """Another session with the same database."""
    connection = await database(jobs).connect()
    try:
        yield connection
    finally:
        connection.close()


async def number(jobs: Jobs) -> Any:
    """What the server calls the table by itself."""
    (row,) = await jobs.table.rows(
        "SELECT table_id FROM information_schema.innodb_sys_tables"
        f" WHERE name = CONCAT(DATABASE(), '/{TABLE}')"
    )
    return row


async def tables(jobs: Jobs) -> set[str]:
    return {name for (name,) in await jobs.table.rows("SHOW TABLES")} - OURS


async def ids(jobs: Jobs) -> list[int]:
    return [row[0] for row in await jobs.table.rows(f"SELECT id FROM {TABLE} ORDER BY id")]


async def definition(jobs: Jobs) -> Any:
    return await jobs.table.rows(f"SHOW CREATE TABLE {TABLE}")


async def replaced(jobs: Jobs, warm: Executor, content: str = NEW) -> bool:
    """Replace the rows; whether the table is another one now."""
    before, others = await number(jobs), await tables(jobs)
    outcome = await succeeded(warm, jobs.job(content, mode="replace"))
    assert outcome.counts.written == content.count("\n") - 1
    assert await tables(jobs) == others
    return bool(await number(jobs) != before)


@pytest.mark.usefixtures("transport")
async def test_a_plain_table_is_swapped_with_its_keys_indexes_comments_and_options(
    in_mysql: Jobs, warm: Executor
) -> None:
    await in_mysql.table.execute(
        f"ALTER TABLE {TABLE} MODIFY name varchar(30) DEFAULT 'x' COMMENT 'AUTO_INCREMENT=9',"
        " ADD UNIQUE (name), ADD INDEX odd (price, name(3)), ADD CHECK (price > 0),"
        " ADD twice decimal(15,2) AS (price * 2) STORED, COMMENT 'all our goods', ROW_FORMAT=COMPRESSED"
    )
    await in_mysql.table.execute(f"CREATE VIEW cheap AS SELECT id FROM {TABLE} WHERE price < 3.5")
    await succeeded(warm, in_mysql.job(OLD))
    before = await definition(in_mysql)
    assert await replaced(in_mysql, warm)
    assert await definition(in_mysql) == before
    assert await ids(in_mysql) == [2, 3, 4]
    assert await in_mysql.table.rows("SELECT id FROM cheap ORDER BY id") == [(2,), (3,)]


async def test_the_next_number_is_none_that_was_given_before(in_mysql: Jobs, warm: Executor) -> None:
    jobs = await retyped(in_mysql, {"name": "text"} | {"id": "int64"})
    await jobs.table.execute(f"ALTER TABLE {TABLE} MODIFY id bigint AUTO_INCREMENT")
    await jobs.table.execute(f"INSERT INTO {TABLE} (id, name) VALUES (70, 'x')")
    assert await replaced(jobs, warm, "name,id\na,5\n")
    await jobs.table.execute(f"INSERT INTO {TABLE} (name) VALUES ('b')")
    assert await ids(jobs) == [5, 71]


async def test_a_table_with_triggers_stays_itself_and_they_fire(in_mysql: Jobs, warm: Executor) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    await in_mysql.table.execute(
        f"CREATE TRIGGER loud BEFORE INSERT ON {TABLE} FOR EACH ROW SET NEW.name = UPPER(NEW.name)"
    )
    assert not await replaced(in_mysql, warm)
    assert await in_mysql.table.rows(f"SELECT name FROM {TABLE} ORDER BY id") == [("B",), ("C",), ("D",)]
    assert len(await in_mysql.table.rows("SHOW TRIGGERS")) == 1


async def test_a_table_with_foreign_keys_of_its_own_keeps_them(in_mysql: Jobs, warm: Executor) -> None:
    await in_mysql.table.execute("CREATE TABLE known (id bigint PRIMARY KEY)")
    await in_mysql.table.execute("INSERT INTO known VALUES (1), (2), (3), (4)")
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} ADD FOREIGN KEY (id) REFERENCES known (id)")
    before = await definition(in_mysql)
    assert not await replaced(in_mysql, warm)
    assert await definition(in_mysql) == before
    outcome = await failed(warm, in_mysql.job(HEADER + "9,x,1.00,\n", mode="replace"))
    assert "refers to one that is not there" in outcome.message
    assert await ids(in_mysql) == [2, 3, 4]


async def test_children_keep_their_parents_or_the_replacement_is_refused(
    in_mysql: Jobs, warm: Executor
) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    await in_mysql.table.execute(
        f"CREATE TABLE part (goods bigint, FOREIGN KEY (goods) REFERENCES {TABLE} (id) ON DELETE RESTRICT)"
    )
    await in_mysql.table.execute("INSERT INTO part VALUES (2)")
    assert not await replaced(in_mysql, warm)
    outcome = await failed(warm, in_mysql.job(HEADER + "9,x,1.00,\n", mode="replace"))
    assert "another row refers to one" in outcome.message
    assert await ids(in_mysql) == [2, 3, 4]


async def test_nobody_sees_an_empty_table(in_mysql: Jobs, warm: Executor) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    over, seen = asyncio.Event(), set()

    async def look() -> None:
        async with session(in_mysql) as connection, connection.cursor() as cursor:
            while not over.is_set():
                await cursor.execute(f"SELECT COUNT(*) FROM {TABLE}")
                seen.add((await cursor.fetchone())[0])

    looking = asyncio.ensure_future(look())
    for triggered in (False, True):
        if triggered:
            await in_mysql.table.execute(
                f"CREATE TRIGGER quiet BEFORE INSERT ON {TABLE} FOR EACH ROW SET @a = 1"
            )
        assert await replaced(in_mysql, warm) is not triggered
    over.set()
    await looking
    assert seen == {2, 3}


async def test_a_reader_who_does_not_let_go_keeps_its_rows_and_the_others_get_the_new_ones(
    in_mysql: Jobs, warm: Executor
) -> None:
    await succeeded(warm, in_mysql.job(OLD))
    async with session(in_mysql) as reader:
        await reader.query("BEGIN")
        await reader.query(f"SELECT * FROM {TABLE}")
        assert not await replaced(in_mysql, warm)
        async with reader.cursor() as cursor:
            await cursor.execute(f"SELECT id FROM {TABLE} ORDER BY id")
            assert await cursor.fetchall() == ((1,), (2,))
    assert await ids(in_mysql) == [2, 3, 4]
    assert await in_mysql.table.rows("SELECT * FROM _penstock_swap") == []


@pytest.mark.parametrize(
    "grants",
    [
        "SELECT, INSERT, UPDATE, DELETE, CREATE",
        "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP",
        "ALL PRIVILEGES",
    ],
)
async def test_whoever_may_not_swap_rewrites(in_mysql: Jobs, warm: Executor, grants: str) -> None:
    """Without the privilege for triggers none are shown: there might be some."""
    dsn = database(in_mysql)
    user = f"r{dsn.database[-8:]}"
    await succeeded(warm, in_mysql.job(OLD))
    escaped = dsn.database.replace("_", "\\_")
    await dsn.execute(
        f"CREATE USER {user} IDENTIFIED BY 'geheim'", f"GRANT {grants} ON `{escaped}`.* TO {user}"
    )
    job, before = in_mysql.job(NEW, mode="replace"), await number(in_mysql)
    wire = job.to_wire()
    wire["target"]["connection"]["connection"] |= {"user": user, "password": "geheim"}
    try:
        await succeeded(warm, Job.model_validate(wire))
    finally:
        await dsn.execute(f"DROP USER {user}")
    assert await ids(in_mysql) == [2, 3, 4]
    assert (await number(in_mysql) == before) is (grants != "ALL PRIVILEGES")


async def test_the_cursor_of_a_stream_is_committed_with_the_rows(in_mysql: Jobs, tmp_path: Path) -> None:
    jobs = Jobs(in_mysql.table, tmp_path, fence=in_mysql.fence)
    for mode in ("append", "replace"):
        for cursor, kept in (
            (f"{mode} 1", f"{mode} 1"),
            (None, f"{mode} 1"),
            ("\u5de5" * 5000, "\u5de5" * 5000),
        ):
            job = jobs.job(OLD, mode=mode, stream="one")
            target = Mysql(job, Columns(columns_of(jobs.types)), Surroundings(POLICY))
            await target.prepare()
            await target.commit(Counts(cursor=cursor))
            await target.abandon()
            after = Mysql(jobs.job(OLD, stream="one"), target.columns, Surroundings(POLICY))
            await after.prepare()
            assert await after.last_cursor() == kept
            await after.abandon()
    assert await jobs.table.rows("SELECT stream FROM _penstock_cursor") == [("one",)]
