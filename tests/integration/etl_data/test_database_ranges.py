"""Reading a table in ranges of its key: every row once, whatever the key is and others do meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import SourceChanged, SourceInvalid
from tests.integration.etl_data.jobs import TABLE, Jobs, MariaTable, TestTable
from tests.integration.etl_data.sources import preview, read_table, source_of, table_params

TYPES = {"id": "int64", "name": "text", "price": "decimal(14,2)"}


async def numbered(table: TestTable, rows: int, *, start: int = 1) -> None:
    """So many rows with every third number as their key."""
    for at in range(start, start + rows):
        await table.execute(f"INSERT INTO {TABLE} (id, name, price) VALUES ({at * 3}, 'n{at}', '{at}.50')")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
async def test_ranges_of_every_size_give_each_row_once_in_the_order_of_the_key(
    goods: Jobs, size: int
) -> None:
    await numbered(goods.table, 7)
    got = read_table(goods.table, TYPES, partition_rows=size)
    assert [row[0] for row in got.rows] == [3, 6, 9, 12, 15, 18, 21]
    assert (got.read, got.records) == (7, [1, 2, 3, 4, 5, 6, 7])


async def test_an_empty_table_has_no_range(goods: Jobs) -> None:
    assert read_table(goods.table, TYPES, partition_rows=10).read == 0


@pytest.mark.parametrize("size", [1, 3, 50])
async def test_a_condition_is_looked_at_in_every_range(goods: Jobs, size: int) -> None:
    await numbered(goods.table, 9)
    where = {"op": "in", "column": "id", "values": [3, 18, 27, 28]}
    got = read_table(goods.table, TYPES, where=where, partition_rows=size)
    assert [row[0] for row in got.rows] == [3, 18, 27]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_key_of_several_columns_is_compared_as_a_whole(jobs: Jobs, size: int) -> None:
    text = "varchar(20)" if isinstance(jobs.table, MariaTable) else "text"
    await jobs.table.execute(
        f"CREATE TABLE {TABLE} (c0 {text} NOT NULL, c1 int NOT NULL, n int, b bigint NOT NULL,"
        " PRIMARY KEY (b, c0, c1))"
    )
    rows = [(name, number, big) for big in (1, 2) for name in ("a", "b") for number in (10, 9, 100)]
    for at, (name, number, big) in enumerate(rows):
        await jobs.table.execute(f"INSERT INTO {TABLE} VALUES ('{name}', {number}, {at}, {big})")
    got = read_table(jobs.table, {"n": "int32"}, partition_rows=size)
    assert [row[0] for row in got.rows] == [1, 0, 2, 4, 3, 5, 7, 6, 8, 10, 9, 11]
    by_set = read_table(jobs.table, {"n": "int32"}, partition_rows=size, partition_columns=["c1", "b", "c0"])
    assert by_set.rows == got.rows


async def test_another_unique_key_may_be_named(goods: Jobs) -> None:
    table = goods.table
    text = "varchar(20)" if isinstance(table, MariaTable) else "text"
    await table.execute(f"DROP TABLE {TABLE}")
    await table.execute(f"CREATE TABLE {TABLE} (id int, code {text} NOT NULL, UNIQUE (code))")
    await table.execute(f"INSERT INTO {TABLE} VALUES (1, 'b'), (2, 'a'), (3, 'c')")
    got = read_table(table, {"id": "int32"}, partition_rows=2, partition_columns=["code"])
    assert got.rows == [(2,), (1,), (3,)]


async def test_a_key_that_may_be_null_serves_as_long_as_it_is_not(jobs: Jobs) -> None:
    """In SQLite even a primary key may be NULL."""
    await made(jobs.table, "id bigint, name text, UNIQUE (id)")
    await jobs.table.execute(f"INSERT INTO {TABLE} VALUES (5, 'e'), (1, 'a'), (3, 'c')")
    loader = DatabaseTable.of(table_params({"id": "int64"}, partition_rows=2, partition_columns=["id"]))
    with loader.open(source_of(jobs.table)) as reading:
        batches = iter(reading)
        found = next(batches).rows.column("id").to_pylist()
        await jobs.table.execute(f"INSERT INTO {TABLE} VALUES (NULL, 'late')")
        found += [key for batch in batches for key in batch.rows.column("id").to_pylist()]
    assert found == [1, 3, 5]


async def made(table: TestTable, ddl: str) -> None:
    quoted = ddl if not isinstance(table, MariaTable) else ddl.replace("text", "varchar(20)")
    await table.execute(f"CREATE TABLE {TABLE} ({quoted})")


REFUSED: list[tuple[str, list[str], str]] = [
    ("id int, name text", [], "no primary key"),
    ("id int PRIMARY KEY, name text", ["name"], "no unique index over just 'name'"),
    ("id int PRIMARY KEY, name text", ["id", "name"], "no unique index over just 'id', 'name'"),
    ("id int, name text, UNIQUE (id)", ["id"], "'id' has a NULL"),
    ("id int NOT NULL, name text, UNIQUE (id, name)", ["id", "name"], "'name' has a NULL"),
]


@pytest.mark.parametrize(("ddl", "columns", "why"), REFUSED)
async def test_a_key_that_does_not_order_all_rows_is_refused_by_name(
    jobs: Jobs, ddl: str, columns: Sequence[str], why: str
) -> None:
    await made(jobs.table, ddl)
    await jobs.table.execute(
        f"INSERT INTO {TABLE} VALUES ({1 if 'NOT' in ddl or 'PRIM' in ddl else 'NULL'}, NULL)"
    )
    how: dict[str, Any] = {"partition_rows": 2, "partition_columns": columns}
    with pytest.raises(SourceInvalid, match=why):
        read_table(jobs.table, {"id": "int32"}, **how)
    with pytest.raises(SourceInvalid, match=why):
        preview(jobs.table, DatabaseTable, table_name=TABLE, **how)


async def test_a_column_that_is_not_there_is_a_change(goods: Jobs) -> None:
    with pytest.raises(SourceChanged, match="no column 'nothing'"):
        read_table(goods.table, TYPES, partition_rows=2, partition_columns=["nothing"])


async def test_a_preview_shows_the_first_rows_of_a_table_that_is_read_in_parts(goods: Jobs) -> None:
    await numbered(goods.table, 3)
    found = preview(goods.table, DatabaseTable, table_name=TABLE, partition_rows=1)
    assert (found.rows_read, found.params["partition_rows"]) == (3, 1)


async def test_rows_that_others_write_and_remove_leave_those_that_stay(goods: Jobs) -> None:
    """Not below the last key, not above the highest there was: the run ends however fast others write."""
    await numbered(goods.table, 6)
    loader = DatabaseTable.of(table_params(TYPES, partition_rows=2))
    found = []
    with loader.open(source_of(goods.table)) as reading:
        for at, batch in enumerate(reading):
            found += [row["id"] for row in batch.rows.to_pylist()]
            if at == 0:
                await goods.table.execute(f"DELETE FROM {TABLE} WHERE id IN (3, 9)")
                await goods.table.execute(f"UPDATE {TABLE} SET name = 'new' WHERE id = 15")
                await numbered(goods.table, 30, start=7)
                await goods.table.execute(f"INSERT INTO {TABLE} (id) VALUES (1), (7)")
    assert found == [3, 6, 7, 12, 15, 18]


async def test_a_table_that_is_altered_between_two_ranges_ends_the_reading(on_server: Jobs) -> None:
    await numbered(on_server.table, 6)
    loader = DatabaseTable.of(table_params(TYPES, partition_rows=2))
    with loader.open(source_of(on_server.table)) as reading:
        batches = iter(reading)
        next(batches)
        await on_server.table.execute(f"ALTER TABLE {TABLE} DROP COLUMN name")
        with pytest.raises(SourceChanged, match="changed while it was read"):
            list(batches)
