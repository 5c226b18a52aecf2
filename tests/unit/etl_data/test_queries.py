"""The guard of queries, and the parameters of loaders of databases."""

from typing import Any

import pytest

from services.etl.loaders._database_guard import QueryRefused, check_query
from services.etl.loaders.database_query import DatabaseQuery
from services.etl.loaders.database_table import DatabaseTable
from shared.errors import PenstockError

ALLOWED = [
    ("postgresql", "SELECT 1"),
    ("postgresql", "(SELECT a FROM b UNION ALL SELECT c FROM d) ORDER BY 1"),
    ("postgresql", "WITH x AS (SELECT 1 AS a) SELECT * FROM x -- the end"),
    ("postgresql", "SELECT $$a;b$$, E'\\'', data->>'k', ts::date FROM t WHERE x ~ '^a'"),
    ("postgresql", "SELECT pg_typeof(a), count(*) FILTER (WHERE b) FROM t GROUP BY 1"),
    ("mysql", "SELECT `a`, 'it\\'s', IF(b, 1, 2) FROM `c d`"),
    ("sqlite", 'SELECT "a", group_concat(b) FROM t GROUP BY 1 LIMIT 5'),
]


@pytest.mark.parametrize(("engine", "query"), ALLOWED)
def test_a_select_is_let_through(engine: str, query: str) -> None:
    check_query(query, engine=engine)
    check_query(query)


REFUSED = [
    (None, "DELETE FROM t", "SELECT"),
    (None, "SELECT 1; DROP TABLE t", "semicolon"),
    (None, "SELECT 1;", "semicolon"),
    (None, "DROP TABLE t", "SELECT"),
    (None, "SELECT (", "line 1"),
    (None, "SELECT 1 \x00", "NUL"),
    (None, "", "one statement"),
    (None, "-- nothing", "one statement"),
    (None, "SELECT " + "(" * 100 + "1" + ")" * 100, "parentheses"),
    ("postgresql", "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "change"),
    ("postgresql", "WITH d AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM d", "change"),
    ("postgresql", "SELECT * INTO u FROM t", "change"),
    ("postgresql", "SELECT * FROM t FOR UPDATE", "lock"),
    ("postgresql", "SELECT * FROM (SELECT * FROM t FOR SHARE) AS x", "lock"),
    ("postgresql", "EXPLAIN ANALYZE SELECT 1", "SELECT"),
    ("postgresql", "COPY t TO PROGRAM 'x'", "SELECT"),
    ("postgresql", "CALL p()", "SELECT"),
    ("postgresql", "DO $$ BEGIN END $$", "SELECT"),
    ("postgresql", "SELECT 1) TO STDOUT; DROP TABLE t --", "semicolon"),
    ("postgresql", 'SELECT pg_catalog."pg_sleep"(9)', "pg_sleep"),
    ("postgresql", "SELECT * FROM PG_READ_FILE('/etc/passwd')", "pg_read_file"),
    ("postgresql", "SELECT set_config('a', 'b', false)", "set_config"),
    ("postgresql", "SELECT lo_import('x')", "lo_import"),
    ("postgresql", "SELECT query_to_xml('DELETE', true, true, '')", "query_to_xml"),
    ("postgresql", "SELECT * FROM dblink('x', 'y') AS t(a int)", "dblink"),
    ("mysql", "SELECT 1 INTO OUTFILE 'x'", "line 1"),
    ("mysql", "SELECT 1 /*!50000 INTO OUTFILE 'x' */", "comment"),
    ("mysql", "SELECT 1 /*M!100100 INTO OUTFILE 'x' */", "comment"),
    ("mysql", "SELECT SLEEP(9)", "sleep"),
    ("mysql", "SELECT LOAD_FILE('x')", "load_file"),
    ("mysql", "SELECT @a := 1", "variables"),
    ("mysql", "SELECT * FROM t LOCK IN SHARE MODE", "lock"),
    ("sqlite", "PRAGMA writable_schema = 1", "SELECT"),
    ("sqlite", "ATTACH 'x' AS y", "SELECT"),
    ("sqlite", "SELECT load_extension('x')", "load_extension"),
]


@pytest.mark.parametrize(("engine", "query", "reason"), REFUSED)
def test_what_is_no_plain_select_is_refused_with_its_reason(
    engine: str | None, query: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(QueryRefused, match=reason):
        check_query(query, engine=engine)
    assert caplog.text == ""


def params(**others: Any) -> dict[str, Any]:
    columns = [{"name": "id", "type": "int64"}, {"name": "flag", "type": "boolean"}]
    resource = "018f0000-0000-7000-8000-000000000000"
    return {"resource_id": resource, "table_name": "t", "columns": columns} | others


@pytest.mark.parametrize(
    ("others", "loc", "code"),
    [
        ({"cursor_column": "at"}, ("cursor_column",), "column_unknown"),
        ({"cursor_column": "flag"}, ("cursor_column",), "type_mismatch"),
        ({"lag": 5}, (), "lag_without_cursor"),
        ({"lag": -1, "cursor_column": "id"}, ("lag",), "greater_than_equal"),
        ({"where": {"op": "eq", "column": "id", "value": "x"}}, ("where", "value"), "literal_invalid"),
        ({"partition_rows": -1}, ("partition_rows",), "greater_than_equal"),
        ({"partition_columns": ["id"]}, (), "partition_without_rows"),
        ({"partition_rows": 9, "partition_columns": [""]}, ("partition_columns", 0), "string_too_short"),
        ({"columns": []}, ("columns",), "too_short"),
        ({"columns": [{"name": "a", "type": "int"}]}, ("columns", 0, "type"), "column_type_unknown"),
        ({"table_name": ""}, ("table_name",), "string_too_short"),
        ({"query": "SELECT 1"}, ("query",), "extra_forbidden"),
    ],
)
def test_faults_of_parameters_have_their_places(others: dict[str, Any], loc: Any, code: str) -> None:
    with pytest.raises(PenstockError) as raised:
        DatabaseTable.of(params(**others), loc=("source", "params"))
    fault = raised.value.all_faults()[0]
    assert (fault.loc, fault.code) == (("source", "params", *loc), code)


def test_a_query_that_is_refused_is_a_fault_of_its_parameter() -> None:
    given = {name: value for name, value in params().items() if name != "table_name"}
    with pytest.raises(QueryRefused) as raised:
        DatabaseQuery.of(given | {"query": "DROP TABLE t"}, loc=("source", "params"))
    assert raised.value.all_faults()[0].loc == ("source", "params", "query")


def test_a_lag_of_texts_is_refused_at_its_place() -> None:
    columns = [{"name": "at", "type": "text"}]
    with pytest.raises(PenstockError) as raised:
        DatabaseTable.of(params(columns=columns, cursor_column="at", lag=5))
    assert raised.value.all_faults()[0].loc == ("lag",)
