"""Whole runs from a table that is read in parts, and connections that are lost on the way."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from services.etl.loaders import _database_ranges
from services.etl.loaders._base import Batch
from services.etl.loaders._database_reading import DatabaseReading
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import JobCancelled
from services.etl.runner.executor import Executor
from shared.engines.errors import ConnectFailedForNow
from tests.integration.etl_data.jobs import TABLE, Jobs, MariaTable, PostgresTable, succeeded
from tests.integration.etl_data.sources import read_table, source_of, table_params
from tests.integration.etl_data.test_database_flow import many, until
from tests.integration.etl_data.test_database_runs import from_origin, origin

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORIGIN = "origin"
ROWS = 50_000
KILL = {
    True: (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'penstock source' AND datname = current_database()"
    ),
    False: "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()",
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_database_ranges, "FIRST_PAUSE", 0.01)


async def fill(jobs: Jobs, rows: int = ROWS) -> None:
    """A table of so many rows, far more than what is under way between server and reader."""
    table = jobs.table
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, name varchar(1000))")
    numbers = many(jobs, rows)
    await table.execute(f"INSERT INTO {TABLE} SELECT id * 2, repeat('x', 400) FROM ({numbers}) AS s")


async def kill(jobs: Jobs) -> int:
    """End the sessions that read, and tell how many there were."""
    is_postgres = isinstance(jobs.table, PostgresTable)
    found = await jobs.table.rows(KILL[is_postgres])
    for (number,) in [] if is_postgres else found:
        await jobs.table.execute(f"KILL {number}")
    return len(found)


def reading_of(jobs: Jobs, **how: Any) -> DatabaseReading:
    """An open reading of the table."""
    loader = DatabaseTable.of(table_params({"id": "int64", "name": "text"}, **how))
    reading = loader.open(source_of(jobs.table))
    assert isinstance(reading, DatabaseReading)
    return reading


def keys_of(batches: Iterator[Batch]) -> list[int]:
    return [key for batch in batches for key in batch.rows.column("id").to_pylist()]


@pytest.mark.parametrize("size", [ROWS, 7000])
async def test_a_connection_that_is_lost_is_taken_up_again_behind_the_last_key(
    on_server: Jobs, size: int
) -> None:
    """In the midst of a range, with rows under way."""
    await fill(on_server)
    with reading_of(on_server, partition_rows=size) as reading:
        batches = iter(reading)
        found = keys_of(iter([await asyncio.to_thread(next, batches)]))
        assert await kill(on_server) == 1
        found += await asyncio.to_thread(keys_of, batches)
    assert found == list(range(2, 2 * ROWS + 1, 2))
    assert reading.bytes_done == reading.bytes_read > 19 << 20


async def test_each_lost_connection_is_another_one_as_long_as_rows_come(on_server: Jobs) -> None:
    await fill(on_server)
    found, killed = list[int](), 0
    with reading_of(
        on_server, partition_rows=7000, where={"op": "gt", "column": "id", "value": 4}
    ) as reading:
        batches = iter(reading)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            found += keys_of(iter([batch]))
            killed += await kill(on_server)
    assert found == list(range(6, 2 * ROWS + 1, 2))
    assert killed > _database_ranges.TRIES


async def test_a_server_that_stays_away_ends_the_reading(
    on_server: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(on_server)
    asked = 0

    def gone(*_: object) -> None:
        nonlocal asked
        asked += 1
        raise ConnectFailedForNow(step="connect", reason="nobody is there")

    with reading_of(on_server, partition_rows=7000) as reading:
        batches = iter(reading)
        await asyncio.to_thread(next, batches)
        monkeypatch.setattr("services.etl.loaders._database_reading.open_session", gone)
        await kill(on_server)
        with pytest.raises(ConnectFailedForNow):
            await asyncio.to_thread(keys_of, batches)
    assert asked == _database_ranges.TRIES


async def test_a_reading_that_waits_for_its_server_can_be_left(
    on_server: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(on_server)
    monkeypatch.setattr(_database_ranges, "FIRST_PAUSE", 3600.0)
    monkeypatch.setattr(_database_ranges, "LONGEST_PAUSE", 3600.0)
    with reading_of(on_server, partition_rows=7000) as reading:
        batches = iter(reading)
        await asyncio.to_thread(next, batches)
        await kill(on_server)
        taking = asyncio.ensure_future(asyncio.to_thread(keys_of, batches))
        waits = asyncio.Event()
        monkeypatch.setattr(reading, "reopen", _telling(reading, asyncio.get_running_loop(), waits))
        await asyncio.wait_for(waits.wait(), 30)
    with pytest.raises(JobCancelled):
        await taking


def _telling(reading: DatabaseReading, loop: asyncio.AbstractEventLoop, told: asyncio.Event) -> Any:
    reopen = reading.reopen

    def reopened(pause: float) -> None:
        loop.call_soon_threadsafe(told.set)
        reopen(pause)

    return reopened


async def test_no_transaction_is_open_while_rows_of_a_range_are_used(on_server: Jobs) -> None:
    await fill(on_server, 100)
    with reading_of(on_server, partition_rows=50) as reading:
        batches = iter(reading)
        await asyncio.to_thread(next, batches)
        if isinstance(on_server.table, PostgresTable):
            query = "SELECT state FROM pg_stat_activity WHERE application_name = 'penstock source'"
        else:
            query = "SELECT count(*) FROM information_schema.innodb_trx"

        async def rests() -> bool:
            return [row[0] for row in await on_server.table.rows(query)] in (["idle"], [0])

        await until(rests)


@pytest.mark.parametrize("rows", [1, 3, 10])
async def test_a_table_may_be_read_in_parts_and_written_in_one_database(
    goods: Jobs, warm: Executor, rows: int
) -> None:
    text = "text" if not isinstance(goods.table, MariaTable) else "varchar(20)"
    await origin(
        goods.table,
        "1, 'a', '0.10'",
        "2, 'b', NULL",
        "7, 'c', '1'",
        types=f"id bigint PRIMARY KEY, name {text}, price {{decimal}}",
    )
    job = from_origin(goods, goods.table, changed={"partition_rows": rows})
    outcome = await succeeded(warm, job)
    assert (outcome.counts.read, outcome.counts.inserted) == (3, 3)
    assert await goods.table.rows(f"SELECT id, name FROM {TABLE} ORDER BY id") == [
        (1, "a"),
        (2, "b"),
        (7, "c"),
    ]


@pytest.mark.parametrize("rows", [0, 9000])
async def test_a_large_table_may_be_read_and_written_in_one_file(
    in_sqlite: Jobs, warm: Executor, rows: int
) -> None:
    """More than fits into the writer's cache, which then wants the file for itself."""
    await origin(in_sqlite.table, types="id integer PRIMARY KEY, name text, price {decimal}")
    await in_sqlite.table.execute(
        f"INSERT INTO {ORIGIN} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 60000) SELECT i, hex(zeroblob(100)), NULL FROM n"
    )
    outcome = await succeeded(warm, from_origin(in_sqlite, in_sqlite.table, changed={"partition_rows": rows}))
    assert outcome.counts.inserted == 60_000


async def test_the_interval_of_an_incremental_run_is_closed_whatever_is_written_between_ranges(
    goods: Jobs,
) -> None:
    for number, name in enumerate("abcdef", start=1):
        await goods.table.execute(f"INSERT INTO {TABLE} (id, name) VALUES ({number * 10}, '{name}')")
    types = {"id": "int64", "name": "text"}
    how: dict[str, Any] = {"cursor_column": "name", "partition_rows": 2}
    first = list[int]()
    with DatabaseTable.of(table_params(types, **how)).open(source_of(goods.table)) as reading:
        for batch in reading:
            if not first:
                await goods.table.execute(f"INSERT INTO {TABLE} (id, name) VALUES (35, 'g'), (70, 'h')")
            first += keys_of(iter([batch]))
    assert (first, reading.cursor) == ([10, 20, 30, 40, 50, 60], '{"column":"name","value":"f"}')
    again = read_table(goods.table, types, reading.cursor, **how)
    assert ([row[0] for row in again.rows], again.cursor) == ([35, 70], '{"column":"name","value":"h"}')
    assert read_table(goods.table, types, again.cursor, **how).rows == []
