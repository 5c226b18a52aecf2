"""Columns of tables and queries that are not declared: left out, or the end of the run."""

import pytest

from services.etl.loaders.database_query import DatabaseQuery
from services.etl.loaders.database_table import DatabaseTable
from services.etl.pipeline.errors import SourceChanged
from tests.integration.etl_data.jobs import TABLE, TYPES, Jobs
from tests.integration.etl_data.sources import declared, preview, read_query, read_table

SOME = {"id": "int64", "name": "text"}
EXTRA = r"it has 'price', 'sold', which no column is declared for"


async def test_a_column_that_is_not_declared_is_left_out_unless_it_is_to_end_the_run(goods: Jobs) -> None:
    await goods.table.execute(f"INSERT INTO {TABLE} (id, name) VALUES (1, 'bolt')")
    assert read_table(goods.table, SOME).rows == [(1, "bolt")]
    with pytest.raises(SourceChanged, match=EXTRA):
        read_table(goods.table, SOME, extra_columns="fail")
    assert len(read_table(goods.table, TYPES, extra_columns="fail").rows) == 1


async def test_a_query_with_a_further_column_ends_the_run_where_it_shall(goods: Jobs) -> None:
    query = f"SELECT * FROM {TABLE}"
    assert read_query(goods.table, query, SOME).rows == []
    with pytest.raises(SourceChanged, match=EXTRA):
        read_query(goods.table, query, SOME, extra_columns="fail")
    assert read_query(goods.table, f"SELECT id, name FROM {TABLE}", SOME, extra_columns="fail").rows == []


async def test_a_table_in_parts_ends_the_run_too(goods: Jobs) -> None:
    with pytest.raises(SourceChanged, match=EXTRA):
        read_table(goods.table, SOME, extra_columns="fail", partition_rows=1000)


@pytest.mark.parametrize(("choice", "severity"), [("ignore", "warning"), ("fail", "error")])
async def test_a_preview_shows_columns_that_are_not_declared(goods: Jobs, choice: str, severity: str) -> None:
    given = {"columns": declared(SOME), "extra_columns": choice}
    for found in (
        preview(goods.table, DatabaseTable, table_name=TABLE, **given),
        preview(goods.table, DatabaseQuery, query=f"SELECT * FROM {TABLE}", **given),
    ):
        assert [column.name for column in found.columns] == ["id", "name"]
        assert [(problem.code, problem.column, problem.severity) for problem in found.problems] == [
            ("column_undeclared", "price", severity),
            ("column_undeclared", "sold", severity),
        ]
    assert preview(goods.table, DatabaseTable, table_name=TABLE).problems == []
