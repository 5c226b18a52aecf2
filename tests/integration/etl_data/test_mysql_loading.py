"""Traps of LOAD DATA LOCAL, which never fails by itself: what it cuts, guesses or leaves out is a failure."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from services.etl.destinations import _mysql_sql as sql
from services.etl.destinations._mysql_session import Session
from services.etl.pipeline.errors import CountsDiffer, TargetBusy, TargetRefused
from services.etl.runner.executor import Executor
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    MariaTable,
    failed,
    retyped,
    succeeded,
)
from tests.servers.mariadb import MariaDsn

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]

HEADER = "id,name,price,sold\n"
ONE = HEADER + "1,bolt,0.10,2026-01-31T12:00:00Z\n"
GOOD = b"1\tbolt\t0.10\t2026-01-31 12:00:00\n"


def database(jobs: Jobs) -> MariaDsn:
    assert isinstance(jobs.table, MariaTable)
    return jobs.table.dsn


def statement(jobs: Jobs) -> str:
    found = [
        sql.Found(name, "varchar", "", True, None, "", None, None, None, None)  # noqa: FBT003 - as the catalog's row
        for name in jobs.types
    ]
    return sql.load(f"{database(jobs).database}.{TABLE}", found)


@pytest_asyncio.fixture(loop_scope="module")
async def session(in_mysql: Jobs) -> AsyncIterator[Session]:
    """A writing session."""
    session = Session(in_mysql.job(ONE).table.connection, POLICY, "test")
    await session.open()
    yield session
    await session.close()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"abc\tx\t1\t\\N\n", "column id"),
        (b"2\ttoo long for it\t1\t\\N\n", "too long, column name"),
        (b"2\tx\t1.005\t\\N\n", "not fit exactly.*column price"),
        (b"2\tx\t1\t2026-02-30 00:00:00\n", "column sold"),
        (b"2\tx\t1\n", "error 1261"),
        (b"2\tx\t1\t\\N\tmore\n", "error 1262"),
        (b"1\tx\t1\t\\N\n", r"key of another one \(PRIMARY\)"),
        (b"\\N\tx\t1\t\\N\n", "must have a value is NULL, column id"),
        (b"2\tbeginning of a ro", "error 1261|too long"),
    ],
    ids=["text", "long", "digits", "date", "few", "many", "twice", "null", "cut"],
)
async def test_a_row_that_the_server_would_change_or_skip_is_a_failure(
    in_mysql: Jobs, session: Session, line: bytes, reason: str
) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} MODIFY name varchar(9)")
    with pytest.raises(TargetRefused, match=reason):
        await session.load(statement(in_mysql), [memoryview(GOOD + line)])
    await session.close()
    assert await in_mysql.table.rows() == []


async def test_more_bad_rows_than_a_packet_counts_are_a_failure(in_mysql: Jobs, session: Session) -> None:
    """The answer to a statement has sixteen bits for the number of its warnings."""
    lines = b"".join(b"%d\tx\tabc\t\\N\n" % number for number in range(2**16))
    with pytest.raises(TargetRefused, match="column price"):
        await session.load(statement(in_mysql), [memoryview(lines)])


async def test_a_server_that_notes_nothing_is_told_to_note(in_mysql: Jobs) -> None:
    names, dsn = ("sql_notes", "max_error_count"), database(in_mysql)
    ((notes, errors),) = await dsn.fetch("SELECT @@global.sql_notes, @@global.max_error_count")
    session = Session(in_mysql.job(ONE).table.connection, POLICY, "test")
    await dsn.execute(*(f"SET GLOBAL {name} = 0" for name in names))
    try:
        await session.open()
        with pytest.raises(TargetRefused, match="column price"):
            await session.load(statement(in_mysql), [memoryview(b"2\tx\t1.005\t\\N\n")])
    finally:
        await session.close()
        await dsn.execute(f"SET GLOBAL sql_notes = {notes}", f"SET GLOBAL max_error_count = {errors}")


async def test_data_that_ends_with_an_error_leaves_no_row(in_mysql: Jobs, session: Session) -> None:
    """An end of the data would have the server keep what came by then, half a row as well."""

    def data() -> Iterator[memoryview]:
        yield memoryview(GOOD + b"2\tha")
        raise EOFError

    with pytest.raises(TargetBusy, match="the connection broke"):
        await session.load(statement(in_mysql), data())
    with pytest.raises(TargetBusy):
        await session.commit()
    assert await in_mysql.table.rows() == []


async def test_loading_that_is_cancelled_leaves_no_row_and_no_session(
    in_mysql: Jobs, session: Session
) -> None:
    number, task = session.number, asyncio.current_task()
    assert task is not None

    def data() -> Iterator[memoryview]:
        yield memoryview(GOOD)
        task.cancel()
        yield memoryview(GOOD.replace(b"1", b"2", 1) * 100_000)

    with pytest.raises(asyncio.CancelledError):
        await session.load(statement(in_mysql), data())
    task.uncancel()
    await session.close()
    listed = f"SELECT 1 FROM information_schema.processlist WHERE id = {number}"
    async with asyncio.timeout(10):
        while await in_mysql.table.rows(listed):
            pass
    assert await in_mysql.table.rows() == []


async def test_a_slow_server_is_waited_for_and_a_session_that_is_ended_ends_the_sending(
    in_mysql: Jobs, session: Session
) -> None:
    dsn, taken = database(in_mysql), 0
    await dsn.execute(f"CREATE TRIGGER slow BEFORE INSERT ON {TABLE} FOR EACH ROW SET @a = SLEEP(60)")

    def data() -> Iterator[memoryview]:
        nonlocal taken
        while True:
            taken += 1
            yield memoryview(GOOD * 10_000)

    loading = asyncio.ensure_future(session.load(statement(in_mysql), data()))
    asleep = (
        f"SELECT 1 FROM information_schema.processlist WHERE id = {session.number} AND state = 'User sleep'"
    )
    async with asyncio.timeout(30):
        while not await dsn.fetch(asleep):
            pass
        before = -1
        while before != taken:
            before = taken
            for _ in range(50):
                await dsn.fetch("SELECT 1")
    assert taken < 100
    await dsn.execute(f"KILL {session.number}")
    with pytest.raises(TargetBusy):
        await asyncio.wait_for(loading, 30)


async def test_more_than_the_longest_packet_goes_through_one_statement(
    in_mysql: Jobs, session: Session
) -> None:
    ((longest,),) = await session.rows(sql.LONGEST_PACKET)
    long = b"x" * (longest + 10)
    touched = await session.load(statement(in_mysql), [memoryview(b"1\t" + long + b"\t\\N\t\\N\n")])
    await session.commit()
    assert touched == 1
    assert await in_mysql.table.rows(f"SELECT LENGTH(name) FROM {TABLE}") == [(len(long),)]


@pytest.mark.usefixtures("transport")
async def test_signs_that_mean_something_to_the_server_are_only_text(in_mysql: Jobs, warm: Executor) -> None:
    """Whatever the character set of the database is: a file is read in that one unless it is told."""
    await in_mysql.table.execute(
        f"ALTER DATABASE {database(in_mysql).database} CHARACTER SET latin1 COLLATE latin1_bin"
    )
    texts = [
        "\\N",
        "NULL",
        "\\",
        "\\\\n",
        "a\tb\\\tc",
        "line\nline\\\n",
        "\\t",
        "it''s",
        "\u5de5\U0001f600",
        "\r",
    ]
    lines = "".join(f'{number},"{text}",,\n' for number, text in enumerate(texts))
    await succeeded(warm, in_mysql.job(f"{HEADER}{lines}99,,,\n"))
    found = await in_mysql.table.rows(f"SELECT name FROM {TABLE} ORDER BY id")
    assert [name for (name,) in found] == [*texts, None]


@pytest.mark.usefixtures("transport")
async def test_a_zero_is_no_request_for_the_next_number(in_mysql: Jobs, warm: Executor) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} MODIFY id bigint NOT NULL AUTO_INCREMENT")
    await succeeded(warm, in_mysql.job(HEADER + "0,a,,\n7,b,,\n"))
    assert await in_mysql.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id") == [(0, "a"), (7, "b")]


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize(
    "change",
    [
        "MODIFY sold timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)",
        "DROP PRIMARY KEY, MODIFY id bigint NULL, MODIFY sold datetime(6) NOT NULL",
    ],
)
async def test_a_null_never_becomes_what_the_server_puts_in_its_place(
    in_mysql: Jobs, warm: Executor, change: str
) -> None:
    await in_mysql.table.execute(f"ALTER TABLE {TABLE} {change}")
    outcome = await failed(warm, in_mysql.job(HEADER + "1,a,,\n"))
    assert (outcome.code, "is NULL, column sold" in outcome.message) == ("target_refused", True)
    assert await in_mysql.table.rows() == []


@pytest.mark.usefixtures("transport")
async def test_bytes_come_exactly(in_mysql: Jobs, warm: Executor) -> None:
    jobs = await retyped(in_mysql, {"id": "int64", "data": "bytes", "after": "text"})
    every = bytes(range(256))
    await succeeded(warm, jobs.job(f"id,data,after\n1,{every.hex()},x\n2,,y\n"))
    assert await jobs.table.rows() == [(1, every, "x"), (2, None, "y")]


async def test_rows_come_by_load_data_where_the_server_takes_it(
    in_mysql: Jobs, warm: Executor, transport: str
) -> None:
    count = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Com_load'"
    ((before,),) = await in_mysql.table.rows(count)
    await succeeded(warm, in_mysql.job(ONE, mode="upsert"))
    ((after,),) = await in_mysql.table.rows(count)
    assert (after != before) is (transport == "LOAD DATA")


async def test_a_cluster_that_commits_parts_of_a_load_gets_none(in_mysql: Jobs, warm: Executor) -> None:
    count = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Com_load'"
    connection = await database(in_mysql).connect()
    await connection.query("SET GLOBAL wsrep_load_data_splitting = ON")
    try:
        before = await in_mysql.table.rows(count)
        await succeeded(warm, in_mysql.job(ONE))
        assert await in_mysql.table.rows(count) == before
    finally:
        await connection.query("SET GLOBAL wsrep_load_data_splitting = OFF")
        connection.close()


async def test_only_warnings_that_say_nothing_of_the_rows_are_passed_over(
    in_mysql: Jobs, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, told = Session.rows, [("Note", 1592, "Unsafe statement")]

    async def answer(self: Session, query: str, *values: object) -> object:
        return {sql.WARNINGS: [(2,)], sql.WARNED: told}.get(query) or await rows(self, query, *values)

    monkeypatch.setattr(Session, "rows", answer)
    with pytest.raises(CountsDiffer, match="2 warnings"):  # one of them isn't told
        await session.write(f"DELETE FROM {database(in_mysql).database}.{TABLE}")
    told.append(told[0])
    await session.write(f"DELETE FROM {database(in_mysql).database}.{TABLE}")
    told.append(("Warning", 1264, "Out of range value for column 'price' at row 1"))
    with pytest.raises(TargetRefused, match="out of range, column price"):
        await session.write(f"DELETE FROM {database(in_mysql).database}.{TABLE}")


async def test_a_row_per_key_is_kept_by_both_transports(
    in_mysql: Jobs, warm: Executor, transport: str
) -> None:
    content = HEADER + "1,a,,\n2,b,,\n1,c,,\n1,c,,\n"
    for winner, kept in (("last", "c"), ("first", "a")):
        await in_mysql.table.execute(f"DELETE FROM {TABLE}")
        outcome = await succeeded(warm, in_mysql.job(content, mode="upsert", winner=winner))  # type: ignore[arg-type]  # one of the two
        assert (outcome.counts.inserted, outcome.counts.deduplicated) == (2, 2), transport
        assert (await in_mysql.table.rows(f"SELECT name FROM {TABLE} WHERE id = 1")) == [(kept,)]
