"""Reading from servers: nothing piles up here, nothing goes on there, and one moment is read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from services.etl.loaders.database_query import DatabaseQuery
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import JobCancelled
from tests.integration.etl_data.jobs import TABLE, Jobs, PostgresTable
from tests.integration.etl_data.sources import RESOURCE, read_table, source_of, table_params

SESSIONS = {
    True: (
        "SELECT coalesce(wait_event, '') FROM pg_stat_activity WHERE application_name = 'penstock source'"
        " AND datname = current_database() AND state = 'active'"
    ),
    False: (
        "SELECT coalesce(state, '') FROM information_schema.processlist WHERE command = 'Query'"
        " AND db = database() AND id <> connection_id()"
    ),
}
WAITING = {"ClientWrite", "Writing to net", "Sending data"}


async def working(jobs: Jobs) -> list[str]:
    """What the server's sessions that read are doing."""
    return [row[0] for row in await jobs.table.rows(SESSIONS[isinstance(jobs.table, PostgresTable)])]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition, at most half a minute."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110  the server tells nobody
            await asyncio.sleep(0.02)


def many(jobs: Jobs, rows: int) -> str:
    """A query for numbers."""
    if isinstance(jobs.table, PostgresTable):
        return f"SELECT generate_series(1, {rows})::bigint AS id"
    return f"SELECT seq AS id FROM seq_1_to_{rows}"


async def test_the_server_waits_while_nobody_takes_rows(on_server: Jobs) -> None:
    await on_server.table.execute(
        f"CREATE TABLE {TABLE} AS SELECT id, repeat('x', 1000) AS name FROM ({many(on_server, 60_000)}) AS s"
    )
    loader = DatabaseTable.of(table_params({"id": "int64", "name": "text"}))
    with loader.open(source_of(on_server.table)) as reading:
        batches = iter(reading)
        first = await asyncio.to_thread(next, batches)

        async def waits() -> bool:
            return WAITING.issuperset(found := await working(on_server)) and bool(found)

        await until(waits)
        assert reading.bytes_read < 16 << 20
        rows = len(first.rows) + sum([len(batch.rows) for batch in batches])
    assert (rows, reading.bytes_read > 60 << 20, reading.bytes_done) == (60_000, False, reading.bytes_read)


@pytest.fixture
async def on_server(request: pytest.FixtureRequest, on_server: Jobs) -> Jobs:
    """As the fixture of all, without the table."""
    await on_server.table.execute(f"DROP TABLE {TABLE}")
    return on_server


async def test_leaving_a_reading_ends_the_query_on_the_server(on_server: Jobs) -> None:
    both = " CROSS JOIN ".join(f"({many(on_server, 1_000_000)}) AS s{at}" for at in (1, 2))
    loader = DatabaseQuery.of(
        {
            "resource_id": RESOURCE,
            "query": f"SELECT count(*) AS id FROM {both}",
            "columns": [{"name": "id", "type": "int64"}],
        }
    )
    with loader.open(source_of(on_server.table)) as reading:
        taking = asyncio.ensure_future(asyncio.to_thread(list, reading))

        async def works() -> bool:
            return bool(await working(on_server))

        await until(works)
    with pytest.raises(JobCancelled):
        await taking

    async def rests() -> bool:
        return not await working(on_server)

    await until(rests)


async def test_rows_that_are_committed_while_it_is_read_belong_to_the_next_run(on_server: Jobs) -> None:
    await on_server.table.execute(f"CREATE TABLE {TABLE} (id bigint)")
    await on_server.table.execute(f"INSERT INTO {TABLE} VALUES (1), (2)")
    loader = DatabaseTable.of(table_params({"id": "int64"}, cursor_column="id"))
    with loader.open(source_of(on_server.table)) as reading:
        await asyncio.to_thread(reading.begin)  # type: ignore[attr-defined]  # it is one of a database
        await on_server.table.execute(f"INSERT INTO {TABLE} VALUES (3)")
        found = [batch.rows.to_pylist() for batch in reading]
    assert (found, reading.cursor) == ([[{"id": 1}, {"id": 2}]], '{"column":"id","value":"2"}')
    assert read_table(on_server.table, {"id": "int64"}, reading.cursor, cursor_column="id").rows == [(3,)]


CURSORS: list[tuple[str, str, list[str], str]] = [
    (
        "timestamptz",
        "timestamp(6)",
        ["2026-01-01 00:00:00.000001", "2026-01-01 00:00:09.999999"],
        "timestamptz",
    ),
    ("timestamp", "datetime(6)", ["2026-01-01 00:00:00.000001", "2026-01-01 00:00:09.999999"], "timestamp"),
    ("date", "date", ["2026-01-01", "2026-01-12"], "date"),
    ("numeric(30,3)", "decimal(30,3)", ["9.001", "12345678901234567890.123"], "decimal(30,3)"),
    ("text", "varchar(40)", ["a'\\b", "b\\'"], "text"),
]


@pytest.mark.parametrize(("here", "there", "values", "kind"), CURSORS)
async def test_cursors_of_every_type_are_kept_exactly(
    on_server: Jobs, here: str, there: str, values: list[str], kind: str
) -> None:
    is_postgres = isinstance(on_server.table, PostgresTable)
    await on_server.table.execute(f"CREATE TABLE {TABLE} (id int, at {here if is_postgres else there})")
    doubled = "'" if is_postgres else "'\\"
    quoted = ["".join(sign * 2 if sign in doubled else sign for sign in value) for value in values]
    await on_server.table.execute(f"INSERT INTO {TABLE} VALUES (0, '{quoted[0]}'), (1, '{quoted[1]}')")
    types, how = {"id": "int32", "at": kind}, {"cursor_column": "at"}
    first = read_table(on_server.table, types, **how)
    assert [row[0] for row in first.rows] == [0, 1]
    assert read_table(on_server.table, types, first.cursor, **how).rows == []
    await on_server.table.execute(f"DELETE FROM {TABLE} WHERE id = 1")
    await on_server.table.execute(f"INSERT INTO {TABLE} VALUES (2, '{quoted[1]}'), (3, NULL)")
    again = read_table(on_server.table, types, first.cursor, **how)
    assert (again.rows, again.reasons) == ([], [(1, "at", "cursor_null")])
    if kind != "text":
        lagging: dict[str, Any] = how | {"lag": 5}
        assert [row[0] for row in read_table(on_server.table, types, first.cursor, **lagging).rows] == [2]


@pytest.mark.postgres
async def test_infinite_times_do_not_become_the_cursor_and_are_rejected(in_postgres: Jobs) -> None:
    table = in_postgres.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (id int, at timestamptz NOT NULL)")
    await table.execute(f"INSERT INTO {TABLE} VALUES (1, '2026-01-01Z'), (2, 'infinity')")
    types = {"id": "int32", "at": "timestamptz"}
    first = read_table(table, types, cursor_column="at")
    assert ([row[0] for row in first.rows], [row.record for row in first.rejected]) == ([1], [2])
    assert first.cursor == '{"column":"at","value":"2026-01-01 00:00:00+00"}'
    assert len(read_table(table, types, first.cursor, cursor_column="at").rejected) == 1
