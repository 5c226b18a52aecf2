"""Traps of MySQL and MariaDB: what they would cut, round, fold or take for done."""

import asyncio
from typing import Any

import pymysql
import pytest

from services.etl.columns import Columns
from services.etl.destinations._mysql_session import Session
from services.etl.destinations._mysql_sql import change_lock_name, lock_name
from services.etl.destinations._target import Surroundings
from services.etl.destinations.mysql import Mysql
from services.etl.pipeline.errors import TargetRefused
from services.etl.pipeline.job import Counts
from services.etl.runner import load
from services.etl.runner.executor import Executor
from services.etl.runner.messages import Failed, Succeeded
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, MariaTable, failed, retyped, succeeded
from tests.servers.mariadb import MariaDsn

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]

HEADER = "id,name,price,sold\n"
ONE = HEADER + "1,bolt,0.10,2026-01-31T12:00:00Z\n"


def database(jobs: Jobs) -> MariaDsn:
    assert isinstance(jobs.table, MariaTable)
    return jobs.table.dsn


async def test_a_lock_that_does_not_come_free_is_a_transient_failure(in_mysql: Jobs, warm: Executor) -> None:
    holder = await database(in_mysql).connect()
    try:
        await holder.query(f"LOCK TABLES {TABLE} WRITE")
        outcome = await failed(warm, in_mysql.job(ONE))
    finally:
        holder.close()
    assert (outcome.code, outcome.transient) == ("target_busy", True)
    await succeeded(warm, in_mysql.job(ONE))


async def test_two_jobs_of_one_table_do_not_mix(in_mysql: Jobs, warm: Executor) -> None:
    """The later one wins the fence; the earlier one is ended or refused, and never half there."""
    other = Executor(policy=POLICY)
    content = HEADER + "".join(f"{number},x,1.00,\n" for number in range(20_000))
    jobs = [in_mysql.job(content), in_mysql.job(content)]
    try:
        outcomes = await asyncio.gather(warm.execute(jobs[0], _quiet), other.execute(jobs[1], _quiet))
    finally:
        await other.close()
    rows = await in_mysql.table.rows(f"SELECT count(*) FROM {TABLE}")
    applied = await in_mysql.table.rows("SELECT run_id FROM _penstock_ledger")
    assert (rows, len(applied)) == ([(20_000,)], 1)
    assert sum(isinstance(outcome, Succeeded) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    ("change", "content"),
    [
        ("MODIFY id varchar(20)", ONE),
        ("MODIFY id double", ONE),
        ("MODIFY price decimal(14,1)", HEADER + "1,x,1.25,\n"),
        ("MODIFY price double", ONE),
        ("MODIFY sold datetime(0)", ONE),
        ("MODIFY name char(9)", ONE),
        ("RENAME COLUMN price TO cost", ONE),
        ("ADD COLUMN must int NOT NULL", ONE),
        ("DROP COLUMN name, ADD COLUMN name varchar(9) AS ('x') STORED", ONE),
        ("ENGINE=MyISAM", ONE),
    ],
)
async def test_a_table_that_drifted_is_never_written_wrongly(
    in_mysql: Jobs, warm: Executor, change: str, content: str
) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} {change}")
    outcome = await failed(warm, in_mysql.job(content))
    assert (outcome.code, outcome.transient) == ("target_unfit", False)
    assert await in_mysql.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]


@pytest.mark.parametrize(
    ("change", "content", "reason"),
    [
        ("MODIFY id int", HEADER + "4294967296,x,1.00,\n", "out of range, column id"),
        ("MODIFY price decimal(5,2)", HEADER + "1,x,1000.00,\n", "out of range, column price"),
        ("MODIFY name varchar(3)", ONE, "too long, column name"),
        ("MODIFY name varchar(9) CHARACTER SET latin1", HEADER + "1,\u5de5,1.00,\n", "can't hold"),
        ("MODIFY name varchar(9) NOT NULL", HEADER + "1,,1.00,\n", "is NULL"),
        ("ADD CHECK (price < 1)", HEADER + "1,x,1.00,\n", "check"),
    ],
)
@pytest.mark.usefixtures("transport")
async def test_a_narrower_column_refuses_what_does_not_fit_and_repeats_no_value(
    in_mysql: Jobs, warm: Executor, change: str, content: str, reason: str
) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} {change}")
    outcome = await failed(warm, in_mysql.job(content))
    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert reason in outcome.message
    assert "bolt" not in outcome.message
    assert await in_mysql.table.rows(f"SELECT count(*) FROM {TABLE}") == [(0,)]


async def test_a_warning_is_a_failure(in_mysql: Jobs) -> None:
    """Strict mode only notes a decimal that it rounds."""
    job = in_mysql.job(ONE)
    session = Session(job.table.connection, POLICY, "test")
    await session.open()
    try:
        table = f"{database(in_mysql).database}.{TABLE}"
        with pytest.raises(TargetRefused, match=r"does not fit exactly.*column price"):
            await session.write(f"INSERT INTO {table} (id, price) VALUES (1, 1.005)")
    finally:
        await session.close()
    assert await in_mysql.table.rows() == []


@pytest.mark.usefixtures("transport")
async def test_a_row_that_goes_without_a_warning_is_a_failure(
    in_mysql: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(real: Any) -> Any:
        async def one_less(*given: Any) -> int:
            touched: int = await real(*given)
            return max(0, touched - 1)

        return one_less

    for name in ("load", "write"):
        monkeypatch.setattr(Session, name, short(getattr(Session, name)))
    ended = await load.run(in_mysql.job(f"{ONE}2,nut,,\n"), policy=POLICY, tell=lambda _: None)
    assert isinstance(ended.outcome, Failed)
    assert (ended.outcome.code, await in_mysql.table.rows()) == ("counts_differ", [])


async def test_a_statement_that_is_under_way_ends_with_the_session(in_mysql: Jobs) -> None:
    job, dsn = in_mysql.job(ONE), database(in_mysql)
    session = Session(job.table.connection, POLICY, "test")
    await session.open()
    asleep = asyncio.ensure_future(session.rows("SELECT SLEEP(100)"))
    sleepers = (
        f"SELECT 1 FROM information_schema.processlist WHERE id = {session.number} AND info LIKE '%SLEEP%'"
    )
    async with asyncio.timeout(10):
        while not await dsn.fetch(sleepers):
            pass
        asleep.cancel()
        await asyncio.gather(asleep, return_exceptions=True)
        await session.close()
        while await dsn.fetch(sleepers):
            pass


@pytest.mark.parametrize("winner", ["first", "last"])
async def test_keys_that_differ_in_case_or_blanks_are_different_rows(
    in_mysql: Jobs, warm: Executor, winner: Any
) -> None:
    jobs = await retyped(in_mysql, {"id": "varchar(9)", "n": "int64"})
    content = 'id,n\na,1\nA,2\n"a ",3\n\u00e1,4\na,5\n'
    outcome = await succeeded(warm, jobs.job(content, mode="upsert", winner=winner))
    assert (outcome.counts.inserted, outcome.counts.deduplicated) == (4, 1)
    found = dict(await jobs.table.rows())
    assert found == {"a": 5 if winner == "last" else 1, "A": 2, "a ": 3, "\u00e1": 4}


async def test_a_text_that_differs_only_in_case_is_a_change(in_mysql: Jobs, warm: Executor) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} MODIFY name longtext COLLATE utf8mb4_general_ci")
    await succeeded(warm, in_mysql.job(HEADER + "1,bolt,1.00,\n", mode="upsert"))
    outcome = await succeeded(warm, in_mysql.job(HEADER + "1,Bolt,1.00,\n", mode="upsert"))
    assert outcome.counts.updated == 1
    assert await in_mysql.table.rows(f"SELECT name FROM {TABLE}") == [("Bolt",)]


async def test_a_key_that_compares_without_case_is_refused(in_mysql: Jobs, warm: Executor) -> None:
    await in_mysql.table.execute(
        f"ALTER TABLE {TABLE} MODIFY name varchar(9) COLLATE utf8mb4_general_ci NOT NULL, ADD UNIQUE (name)"
    )
    outcome = await failed(warm, in_mysql.job(ONE, mode="upsert", key=["name"]))
    assert outcome.code == "target_unfit"
    assert "utf8mb4_general_ci" in outcome.message


async def test_an_index_over_the_beginning_of_a_text_is_no_key(in_mysql: Jobs, warm: Executor) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} ADD UNIQUE (name(3))")
    outcome = await failed(warm, in_mysql.job(ONE, mode="upsert", key=["name"]))
    assert "unique key over exactly name" in outcome.message


async def test_another_unique_key_never_decides_which_row_an_upsert_changes(
    in_mysql: Jobs, warm: Executor
) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} ADD UNIQUE one (price)")
    await succeeded(warm, in_mysql.job(HEADER + "1,a,1.00,\n", mode="upsert"))
    outcome = await failed(warm, in_mysql.job(HEADER + "2,b,1.00,\n", mode="upsert"))
    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert "(one)" in outcome.message
    assert await in_mysql.table.rows(f"SELECT id, name FROM {TABLE}") == [(1, "a")]


async def test_a_stage_is_seen_by_nobody_and_left_nowhere(in_mysql: Jobs, warm: Executor) -> None:
    await succeeded(warm, in_mysql.job(ONE, mode="upsert"))
    await failed(warm, in_mysql.job(HEADER + "1,x,cheap,\n", mode="upsert"))
    found = await in_mysql.table.rows("SHOW TABLES")
    assert sorted(name for (name,) in found) == ["_penstock_fence", "_penstock_ledger", TABLE]


async def test_nobody_alters_a_table_between_the_look_at_it_and_the_commit(in_mysql: Jobs) -> None:
    job = in_mysql.job(ONE)
    target = Mysql(job, Columns(job.table.columns), Surroundings(POLICY))
    other = await database(in_mysql).connect()
    try:
        await target.prepare()
        await other.query("SET lock_wait_timeout = 1")
        with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"):
            await other.query(f"ALTER TABLE {TABLE} ADD COLUMN more int")
        await target.commit(Counts())
        await other.query(f"ALTER TABLE {TABLE} ADD COLUMN more int")
    finally:
        await target.abandon()
        other.close()


async def test_whoever_changes_the_table_itself_is_waited_for_and_not_ended(
    in_mysql: Jobs, warm: Executor
) -> None:
    job, dsn = in_mysql.job(ONE), database(in_mysql)
    holder = await dsn.connect()
    try:
        for name in (lock_name(dsn.database, job.table_key), change_lock_name(dsn.database, job.table_key)):
            await holder.query(f"SELECT GET_LOCK('{name}', 0)")
        outcome = await failed(warm, job)
        await holder.query("SELECT 1")
    finally:
        holder.close()
    assert (outcome.code, outcome.transient) == ("target_busy", True)
    await succeeded(warm, in_mysql.job(ONE))


async def test_names_are_quoted_and_percent_signs_are_only_that(in_mysql: Jobs, warm: Executor) -> None:
    odd, dsn = "we`ird %s; DROP", database(in_mysql)
    quoted = f"`{odd.replace('`', '``')}`"
    await in_mysql.table.execute(f"CREATE DATABASE {quoted}")
    try:
        await in_mysql.table.execute(f"CREATE TABLE {quoted}.{quoted} LIKE {TABLE}")
        for mode in ("append", "upsert"):
            job = in_mysql.job(ONE, mode=mode)
            target = job.table.model_copy(update={"schema_name": odd, "table_name": odd})
            await succeeded(warm, job.model_copy(update={"target": target}))
        assert await dsn.fetch(f"SELECT count(*) FROM {quoted}.{quoted}") == [(1,)]
    finally:
        await in_mysql.table.execute(f"DROP DATABASE {quoted}")


@pytest.mark.parametrize(
    ("granted", "needed"),
    [
        ("SELECT, INSERT", "it needs CREATE"),
        ("SELECT, CREATE", "it needs INSERT, UPDATE"),
        ("SELECT, CREATE, INSERT, UPDATE, DELETE", "it needs CREATE TEMPORARY TABLES"),
    ],
)
async def test_a_user_who_lacks_a_privilege_is_told_which(
    in_mysql: Jobs, warm: Executor, granted: str, needed: str
) -> None:
    dsn = database(in_mysql)
    user = f"u{dsn.database[-8:]}"
    await dsn.execute(
        f"CREATE USER {user} IDENTIFIED BY 'geheim'", f"GRANT {granted} ON {dsn.database}.* TO {user}"
    )
    job = in_mysql.job(ONE, mode="upsert")
    wire = job.to_wire()
    wire["target"]["connection"]["connection"] |= {"user": user, "password": "geheim"}
    try:
        outcome = await failed(warm, type(job).model_validate(wire))
    finally:
        await dsn.execute(f"DROP USER {user}")
    assert (outcome.code, outcome.transient) == ("target_refused", False)
    assert outcome.message.rstrip(".").endswith(f"may not do this: {needed}")


async def test_a_server_that_is_not_there_is_transient_and_tells_no_password(
    in_mysql: Jobs, warm: Executor
) -> None:
    job = in_mysql.job(ONE)
    wire = job.to_wire()
    wire["target"]["connection"]["connection"]["port"] = 1
    outcome = await failed(warm, type(job).model_validate(wire))
    password = wire["target"]["connection"]["connection"]["password"]
    assert (outcome.code, outcome.transient) == ("connect_failed", True)
    assert password not in outcome.model_dump_json()
    assert password not in repr(job)


async def _quiet(_message: object) -> None:
    """Nobody listens."""
