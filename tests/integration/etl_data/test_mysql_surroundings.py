"""What users have set and hung in MySQL: nothing of it bends rows, and a swap loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pyarrow as pa
import pytest
from pymysql.err import IntegrityError

from services.etl.columns import Columns
from services.etl.destinations import mysql
from services.etl.destinations._target import Encoded, Rows, Surroundings
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.definition import History, WriteMode
from services.etl.pipeline.errors import TargetBusy
from services.etl.pipeline.job import Counts, Job
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, columns_of, failed, retyped, succeeded
from tests.integration.etl_data.test_replace_mysql import NEW, OLD, database, ids, tables
from tests.integration.etl_data.test_sudden_ends_mysql import written

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]

TOUCHED = "timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"
TIMES = {"valid_from": "timestamptz", "valid_to": "timestamptz"}


async def test_a_version_that_ends_keeps_the_times_that_the_server_would_touch(
    in_mysql: Jobs, warm: Executor
) -> None:
    """Servers touch the first TIMESTAMP of a table by themselves, whenever its row is updated."""
    jobs = await retyped(in_mysql, {"id": "int64", "name": "text", "sold": "timestamptz"})
    await jobs.table.execute(
        f"ALTER TABLE {TABLE} MODIFY sold {TOUCHED}, ADD valid_from {TOUCHED}, ADD valid_to datetime(6),"
        " DROP PRIMARY KEY, ADD PRIMARY KEY (id, valid_from)"
    )
    target = columns_of({**jobs.types, **TIMES}, required=["id", "sold"])
    declared = [{"name": name, "type": kind} for name, kind in jobs.types.items()]
    contents = ("id,name,sold\n1,a,2026-01-01T00:00:00Z\n", "id,name,sold\n2,b,2026-01-02T00:00:00Z\n")
    for content in (contents[0], contents[1], contents[1].replace("2,b", "2,c")):
        history, source = History(absent="close"), {"columns": declared}
        job = jobs.job(content, mode="scd2", history=history, target=target, source=source)
        await succeeded(warm, job)
    ended = await jobs.table.rows(
        f"SELECT sold, valid_from < valid_to FROM {TABLE} WHERE valid_to IS NOT NULL ORDER BY valid_from"
    )
    assert [(str(sold), before) for sold, before in ended] == [
        ("2026-01-01 00:00:00", 1), ("2026-01-02 00:00:00", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["upsert", "replace"])
async def test_a_key_that_the_server_would_touch_stays(
    in_mysql: Jobs, warm: Executor, mode: WriteMode
) -> None:
    jobs = await retyped(in_mysql, {"id": "int64", "sold": "timestamptz", "name": "text"})
    await jobs.table.execute(
        f"ALTER TABLE {TABLE} MODIFY sold {TOUCHED}, DROP PRIMARY KEY, ADD PRIMARY KEY (id, sold)"
    )
    await jobs.table.execute(
        f"CREATE TABLE part (goods bigint, sold timestamp(6) NULL,"
        f" FOREIGN KEY (goods, sold) REFERENCES {TABLE} (id, sold))"
    )
    content = "id,sold,name\n1,2026-01-01T00:00:00Z,a\n"
    for one in (content, content.replace(",a", ",b")):
        await succeeded(warm, jobs.job(one, mode=mode, key=["id", "sold"]))
    ((sold, name),) = await jobs.table.rows(f"SELECT sold, name FROM {TABLE}")
    assert (str(sold), name) == ("2026-01-01 00:00:00", "b")


async def test_a_foreign_key_that_the_user_can_not_see_is_not_left_behind(
    in_mysql: Jobs, warm: Executor
) -> None:
    """Of a table in a database where the user has no privilege the catalog tells nothing."""
    dsn = database(in_mysql)
    user, other = f"r{dsn.database[-8:]}", f"o{dsn.database[-8:]}"
    await succeeded(warm, in_mysql.job(OLD))
    escaped = dsn.database.replace("_", "\\_")
    await dsn.execute(
        f"CREATE USER {user} IDENTIFIED BY 'geheim'",
        f"GRANT ALL PRIVILEGES ON `{escaped}`.* TO {user}",
        f"CREATE DATABASE {other}",
        f"CREATE TABLE {other}.part (goods bigint, FOREIGN KEY (goods) REFERENCES"
        f" {dsn.database}.{TABLE} (id))",
        f"INSERT INTO {other}.part VALUES (2)",
    )
    try:
        for content in (NEW, OLD):
            wire = in_mysql.job(content, mode="replace").to_wire()
            wire["target"]["connection"]["connection"] |= {"user": user, "password": "geheim"}
            outcome = await failed(warm, Job.model_validate(wire))
            assert outcome.code == "target_unfit"
            assert "may not see" in outcome.message
            assert await ids(in_mysql) == [1, 2]
            assert await tables(in_mysql) == {TABLE}
        with pytest.raises(IntegrityError):
            await in_mysql.table.execute(f"DELETE FROM {TABLE} WHERE id = 2")
    finally:
        await dsn.execute(f"DROP USER {user}", f"DROP DATABASE {other}")


@pytest.mark.parametrize("mode", ["append", "insert_only", "upsert", "replace", "scd2"])
async def test_a_thousand_columns(in_mysql: Jobs, warm: Executor, mode: WriteMode) -> None:
    names = [f"c{number}" for number in range(990)]
    jobs = await retyped(in_mysql, {"id": "int64"} | dict.fromkeys(names, "int32"))
    history = History() if mode == "scd2" else None
    if history:
        await jobs.table.execute(
            f"ALTER TABLE {TABLE} DROP PRIMARY KEY, ADD valid_from datetime(6), ADD valid_to datetime(6)"
        )
    target = columns_of({**jobs.types, **TIMES}) if history else None
    header = ",".join(["id", *names]) + "\n"
    for number in (1, 2):
        content = header + ",".join(["1", *[str(number)] * 990]) + "\n"
        if mode == "append":
            content = content.replace("\n1,", f"\n{number},")
        await succeeded(warm, jobs.job(content, mode=mode, target=target, history=history))


async def test_a_table_that_is_altered_right_before_its_swap_is_not_lost(in_mysql: Jobs) -> None:
    """Whoever waits for the table has it when the swap gives up its own hold on it."""
    await in_mysql.table.execute(f"INSERT INTO {TABLE} (id) VALUES (1), (2)")
    target = await written(in_mysql.job(NEW, mode="replace"))
    altering = asyncio.ensure_future(in_mysql.table.execute(f"ALTER TABLE {TABLE} ADD extra int"))
    waits = "SELECT 1 FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%'"
    async with asyncio.timeout(20):
        while not await in_mysql.table.rows(waits):
            pass
    with pytest.raises(TargetBusy, match="changed meanwhile"):
        await target.commit(Counts(read=2, written=2))
    await target.abandon()
    await altering
    assert await in_mysql.table.rows(f"SELECT id, extra FROM {TABLE}") == [(1, None), (2, None)]
    assert await tables(in_mysql) == {TABLE}


async def test_a_session_that_waits_long_for_its_rows_is_not_ended_by_the_server(
    in_mysql: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "BEAT_SECONDS", 0.2)
    job = in_mysql.job(NEW)
    target = mysql.Mysql(job, Columns(job.table.columns), Surroundings(POLICY))
    await target.prepare()
    await target._session.execute("SET SESSION idle_transaction_timeout = 1, wait_timeout = 1")

    beats, real = asyncio.Semaphore(0), target._session.rows

    async def heard(query: str, *values: object) -> list[tuple[Any, ...]]:
        beats.release()
        return await real(query, *values)

    monkeypatch.setattr(target._session, "rows", heard)

    async def encoded() -> AsyncIterator[Encoded]:
        for _ in range(12):  # longer than the server would wait
            await beats.acquire()
        yield target.encode(Rows(pa.RecordBatch.from_pylist([{"id": 7}], schema), target.columns))

    schema = arrow_schema(target.columns)
    assert (await target.write(encoded())).inserted == 1
    await target.commit(Counts(read=1, written=1))
    await target.abandon()
    assert await ids(in_mysql) == [7]
