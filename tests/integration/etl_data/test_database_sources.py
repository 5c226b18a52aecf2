"""Reading tables and queries: exact values, what is rejected, one snapshot, nothing written."""

from typing import Any

import pytest

from services.etl.loaders._base import Source
from services.etl.loaders._database_loader import DatabaseLoader
from services.etl.loaders.database_query import DatabaseQuery
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import JobCancelled, SourceChanged, SourceInvalid
from shared.contracts.connection import HttpConnection
from shared.errors import PenstockError
from tests.integration.etl_data.jobs import TABLE, Jobs, MariaTable
from tests.integration.etl_data.sources import (
    RESOURCE,
    declared,
    preview,
    read,
    read_query,
    read_table,
    source_of,
    table_params,
)
from tests.resources import handed_out

TYPES = {"id": "int64", "name": "text", "price": "decimal(14,2)"}


async def filled(jobs: Jobs, *rows: str) -> Jobs:
    """The table with these rows, each as `id, name, price`."""
    table = jobs.table
    for row in rows:
        await table.execute(f"INSERT INTO {TABLE} (id, name, price) VALUES ({row})")
    return jobs


async def test_rows_of_every_engine_come_with_their_exact_values(goods: Jobs) -> None:
    table = (
        await filled(goods, "9007199254740993, 'a,\"b\"\n漢字', '0.10'", "2, '', NULL", "3, NULL, '-1'")
    ).table
    got = read_table(table, TYPES)
    assert sorted(got.rows) == [(2, "", None), (3, None, "-1.00"), (9007199254740993, 'a,"b"\n漢字', "0.10")]
    assert (got.read, got.records, got.rejected) == (3, [1, 2, 3], [])


async def test_an_empty_table_gives_no_row(goods: Jobs) -> None:
    assert read_table(goods.table, TYPES).read == 0


async def test_a_value_that_is_not_of_the_declared_type_is_rejected_with_its_record(goods: Jobs) -> None:
    await filled(goods, "1, 'x', '1.25'", "2, 'y', '2.50'", "70000, 'long name', '3'")
    got = read_table(goods.table, {"id": "int16", "name": "varchar(3)", "price": "decimal(14,1)"})
    assert got.rows == [(2, "y", "2.5")]
    assert got.reasons == [(1, "price", "too_precise"), (3, "id", "out_of_range")]


async def test_a_null_in_a_column_that_must_have_a_value_is_rejected(goods: Jobs) -> None:
    await filled(goods, "1, NULL, '1'", "2, 'b', '1'")
    got = read_table(goods.table, TYPES, columns=declared(TYPES, required=["name"]))
    assert (len(got.rows), got.reasons) == (1, [(1, "name", "null_not_allowed")])


async def test_a_rejected_row_comes_with_all_its_values(goods: Jobs) -> None:
    await filled(goods, "1, 'x', '1.25'")
    loader = DatabaseTable.of(table_params(TYPES | {"price": "int64"}))
    with loader.open(source_of(goods.table)) as reading:
        (batch,) = list(reading)
    assert batch.raw is not None
    assert batch.raw([1, 9]) == ['{"id":"1","name":"x","price":"1.25"}', None]


CONDITIONS: list[tuple[dict[str, Any], list[int]]] = [
    ({"op": "ge", "column": "id", "value": 2}, [2, 3, 4]),
    ({"op": "in", "column": "name", "values": ["bolt", "nut"]}, [1, 2]),
    ({"op": "eq", "column": "name", "value": "o'\\x"}, [4]),
    ({"op": "ne", "column": "name", "value": "bolt"}, [2, 3, 4]),
    ({"op": "is_null", "column": "price"}, [3]),
    ({"op": "gt", "column": "price", "value": "9.99"}, [2]),
    ({"op": "contains", "column": "name", "value": "OL", "case_sensitive": False}, [1, 3]),
    ({"op": "not", "condition": {"op": "lt", "column": "price", "value": "5"}}, [2, 4]),
    (
        {
            "op": "and",
            "conditions": [
                {"op": "not_in", "column": "id", "values": [4]},
                {"op": "matches", "column": "name", "value": "^[bB]"},
            ],
        },
        [1, 3],
    ),
    (
        {
            "op": "or",
            "conditions": [
                {"op": "eq", "column": "id", "value": 1},
                {"op": "eq", "column": "price", "value": "10.00"},
            ],
        },
        [1, 2],
    ),
]


@pytest.mark.parametrize(("where", "expected"), CONDITIONS)
async def test_a_condition_means_the_same_on_every_engine(
    goods: Jobs, where: dict[str, Any], expected: list[int]
) -> None:
    """Texts differ by case and blanks, whatever the collation of the column says."""
    await filled(goods, "1, 'bolt', '1.00'", "2, 'nut', '10.00'", "3, 'Bolt', NULL")
    backslash = "'o''\\\\x'" if isinstance(goods.table, MariaTable) else "'o''\\x'"
    await filled(goods, f"4, {backslash}, '7.00'")
    got = read_table(goods.table, TYPES, where=where)
    assert sorted(row[0] for row in got.rows) == expected


async def test_a_query_is_read_like_a_table(goods: Jobs) -> None:
    await filled(goods, "1, 'a', '1.00'", "2, 'a', '2.00'", "3, 'b', '5.00'")
    query = f"SELECT name, count(*) AS times FROM {TABLE} GROUP BY name ORDER BY name -- all of them"
    got = read_query(goods.table, query, {"name": "text", "times": "int64"})
    assert got.rows == [("a", 2), ("b", 1)]


async def test_a_query_may_use_with_and_have_quotes_of_its_own(goods: Jobs) -> None:
    await filled(goods, "1, 'a', '1.00'")
    query = f"WITH few AS (SELECT id, 'it''s; --' AS said FROM {TABLE}) SELECT * FROM few"
    assert read_query(goods.table, query, {"said": "text"}).rows == [("it's; --",)]


@pytest.mark.parametrize("query", ["SELECT nothing FROM nowhere", "SELECT frobnicate(id) AS id FROM goods"])
async def test_a_query_that_the_server_refuses_is_told_without_its_text(goods: Jobs, query: str) -> None:
    with pytest.raises(PenstockError) as raised:
        read_query(goods.table, query, {"id": "int64"})
    assert "frobnicate" not in str(raised.value)
    assert "nowhere" not in str(raised.value)


async def test_a_column_that_is_gone_is_a_change_of_the_source(goods: Jobs) -> None:
    with pytest.raises(SourceChanged, match="no column 'colour'"):
        read_table(goods.table, TYPES | {"colour": "text"})


async def test_a_table_that_is_gone_is_a_change_of_the_source(goods: Jobs) -> None:
    with pytest.raises(SourceChanged, match="table is not there"):
        read_table(goods.table, TYPES, table_name="nowhere")


async def test_a_reading_that_is_left_ends_at_once_and_says_so(goods: Jobs) -> None:
    await filled(goods, "1, 'a', '1.00'")
    loader = DatabaseTable.of(table_params(TYPES))
    with loader.open(source_of(goods.table)) as reading:
        pass
    with pytest.raises(JobCancelled):
        list(reading)


async def test_names_with_odd_signs_are_read(jobs: Jobs) -> None:
    quote = "`" if isinstance(jobs.table, MariaTable) else '"'
    odd = {"a b": "int64", 'c"d`e': "int64", "select": "int64", "ä'%s{}": "int64"}
    spelled = [f"{quote}{name.replace(quote, quote * 2)}{quote}" for name in odd]
    await jobs.table.execute(f"CREATE TABLE {TABLE} ({', '.join(f'{name} bigint' for name in spelled)})")
    await jobs.table.execute(f"INSERT INTO {TABLE} VALUES (1, 2, 3, 4)".replace("%", "%%"))
    assert read_table(jobs.table, odd).rows == [(1, 2, 3, 4)]


async def test_a_preview_declares_the_columns_and_shows_the_first_rows(goods: Jobs) -> None:
    await filled(goods, "1, 'bolt', '0.10'", "2, NULL, '5'")
    found = preview(goods.table, DatabaseTable, table_name=TABLE)
    types = {column["name"]: column["type"] for column in found.params["columns"]}
    assert types["id"] == "int64"
    assert (types["name"], types["price"]) == ("text", "decimal(14,2)")
    assert [row[:3] for row in found.rows] == [["1", "bolt", "0.10"], ["2", None, "5.00"]]
    assert (found.rows_read, found.complete) == (2, True)
    assert found.columns[1].reason.endswith(", 1 NULL")
    again = DatabaseTable.of({"resource_id": RESOURCE} | found.params)
    assert len(again.columns_out()) == len(found.columns)


async def test_a_preview_of_a_query_finds_types(goods: Jobs) -> None:
    await filled(goods, "1, 'bolt', '0.10'")
    found = preview(goods.table, DatabaseQuery, query=f"SELECT id, name FROM {TABLE}")
    assert str(found.columns[0].type).startswith("int")
    assert found.rows == [["1", "bolt"]]


@pytest.mark.parametrize("loader", [DatabaseTable, DatabaseQuery])
def test_a_resource_that_is_no_database_is_refused_as_such(loader: type[DatabaseLoader]) -> None:
    api = handed_out(HttpConnection(base_url="https://api.example.com"))
    others = {"table_name": TABLE} if loader is DatabaseTable else {"query": f"SELECT * FROM {TABLE}"}
    made = loader.of({"resource_id": RESOURCE, "columns": declared(TYPES)} | others)
    with pytest.raises(SourceInvalid, match="type 'http', which is no database"):
        read(made, Source(connection=api))
