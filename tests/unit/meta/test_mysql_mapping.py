"""What MySQL 8 tells in its own way (manual, chapter 28), and what MariaDB keeps in its statements."""

from collections.abc import Sequence
from typing import Any

import pytest

from services.meta.scanners import _mariadb
from services.meta.scanners._buckets import Bucket, Part
from services.meta.scanners._model import FieldInfo, IndexPart, TableInfo
from services.meta.scanners._mysql_catalog import queries_for
from services.meta.scanners._mysql_mapping import CatalogRows, map_tables
from shared.engines.mysql import Server

MYSQL = Server((8, 0, 36), is_mariadb=False)
TABLE = {
    "name": "t",
    "kind": "BASE TABLE",
    "engine": "InnoDB",
    "row_count": 0,
    "data_size": 16384,
    "index_size": 0,
    "collation": "utf8mb4_0900_ai_ci",
    "options": "",
    "comment": "",
}
COLUMN = {
    "relation": "t",
    "name": "a",
    "position": 1,
    "fallback": None,
    "nullable": "YES",
    "data_type": "varchar",
    "column_type": "varchar(9)",
    "collation": "utf8mb4_0900_ai_ci",
    "mark": "",
    "extra": "",
    "privileges": "select,insert,update,references",
    "comment": "",
    "expression": "",
}
INDEX = {
    "relation": "t",
    "name": "i",
    "non_unique": 1,
    "column_name": "a",
    "direction": "A",
    "length": None,
    "method": "BTREE",
    "expression": None,
    "visible": "YES",
}


def on_mysql(*, columns: Sequence[dict[str, Any]] = ({},), **rows: Any) -> TableInfo:
    found = CatalogRows([TABLE], [COLUMN | column for column in columns], **rows)
    (table,), failures = map_tables("shop", found, is_mariadb=False)
    assert failures == []
    return table


def field(**column: Any) -> FieldInfo:
    return on_mysql(columns=[column]).fields[0]


@pytest.mark.parametrize(
    ("column", "default"),
    [
        ({"fallback": None}, None),
        ({"fallback": "NULL"}, "'NULL'"),
        ({"fallback": "it's"}, "'it''s'"),
        ({"fallback": "7", "data_type": "int"}, "7"),
        ({"fallback": "b'1'", "data_type": "bit"}, "b'1'"),
        ({"fallback": "2026-01-01", "data_type": "date"}, "'2026-01-01'"),
        ({"fallback": "uuid()", "extra": "DEFAULT_GENERATED"}, "uuid()"),
        (
            {"fallback": "CURRENT_TIMESTAMP", "data_type": "timestamp", "extra": "DEFAULT_GENERATED"},
            "CURRENT_TIMESTAMP",
        ),
        ({"fallback": r"json_array(_utf8mb4\'x\')", "extra": "DEFAULT_GENERATED"}, "json_array('x')"),
    ],
)
def test_defaults_of_mysql_are_told_as_the_sql_that_makes_them(
    column: dict[str, Any], default: str | None
) -> None:
    assert field(**column).column_default == default


@pytest.mark.parametrize(
    ("column", "extra"),
    [
        ({"extra": "auto_increment"}, "auto_increment"),
        ({"extra": "DEFAULT_GENERATED on update CURRENT_TIMESTAMP"}, "on update current_timestamp"),
        ({"extra": "INVISIBLE"}, "invisible"),
        (
            {"extra": "STORED GENERATED", "expression": r"concat(`a`,_utf8mb4\'x\')"},
            "generated always as (concat(`a`,'x')) stored",
        ),
        ({"extra": "VIRTUAL GENERATED", "expression": "`a`"}, "generated always as (`a`) virtual"),
    ],
)
def test_words_beside_a_type_are_those_of_every_server(column: dict[str, Any], extra: str) -> None:
    assert field(**column).extra == extra


def test_json_of_mysql_is_a_type_of_its_own_and_its_text_is_text() -> None:
    column = {"data_type": "json", "column_type": "json", "collation": None}
    assert field(**column).type_detail is None
    check = {"relation": "t", "name": "c", "clause": "json_valid(`a`)", "enforced": "YES"}
    longtext = {"data_type": "longtext", "column_type": "longtext", "collation": "utf8mb4_bin"}
    table = on_mysql(columns=[longtext], checks=[check])
    assert table.fields[0].data_type == "longtext"
    assert len(table.constraints) == 1


def test_checks_of_mysql_come_in_parentheses_and_say_whether_they_are_enforced() -> None:
    clause = r"((`a` <> _utf8mb4\'x\') or (`a` is null))"
    check = {"relation": "t", "name": "c", "clause": clause, "enforced": "NO"}
    (found,) = on_mysql(checks=[check]).constraints
    assert (found.definition, found.is_validated) == ("CHECK ((`a` <> 'x') or (`a` is null))", False)


def test_functional_and_invisible_indexes_of_mysql_are_told() -> None:
    functional = INDEX | {"column_name": None, "expression": r"concat(`a`,_utf8mb4\'x\')", "non_unique": 0}
    hidden = INDEX | {"name": "j", "visible": "NO"}
    table = on_mysql(indexes=[functional, hidden])
    assert table.indexes[0].parts == (IndexPart(None, "concat(`a`,'x')"),)
    assert [index.is_valid for index in table.indexes] == [True, False]
    assert table.keys == ()


def test_rows_that_contradict_each_other_fail_one_table_and_no_other() -> None:
    broken = {"relation": "t", "name": "c", "enforced": "YES"}
    rows = CatalogRows([TABLE, TABLE | {"name": "u"}], [COLUMN, COLUMN | {"relation": "u"}], checks=[broken])
    tables, failures = map_tables("shop", rows, is_mariadb=False)
    assert [table.name for table in tables] == ["u"]
    assert [failure.table for failure in failures] == ["t"]


def test_each_server_is_asked_what_it_understands() -> None:
    mysql, mariadb = queries_for(MYSQL), queries_for(Server((10, 11, 6), is_mariadb=True))
    assert "is_visible" in mysql.indexes
    assert "ignored" in mariadb.indexes
    assert "ignored" not in queries_for(Server((10, 5, 20), is_mariadb=True)).indexes
    assert "JOIN" not in mariadb.checks
    assert all("table_name IN %s" in query for query in (mysql.tables, mysql.columns, mysql.rules))
    assert (mysql.hides_checks, mariadb.hides_checks) == (False, True)


def test_checks_and_actions_are_found_whatever_stands_in_quotes_around_them() -> None:
    written = _mariadb.read_create(
        "t",
        "CREATE TABLE `t` (\n"
        "  `CHECK` int(11) DEFAULT NULL COMMENT '), CHECK (x), \\' it''s',\n"
        "  `b``(` longtext DEFAULT '\\\\' CHECK (json_valid(`b``(`)),\n"
        "  KEY `k` (`CHECK`,`b``(`(10)),\n"
        "  CONSTRAINT `f,1` FOREIGN KEY (`CHECK`) REFERENCES `u` (`id`)"
        " ON DELETE SET NULL ON UPDATE NO ACTION,\n"
        "  CONSTRAINT `f2` FOREIGN KEY (`CHECK`) REFERENCES `u` (`id`),\n"
        "  CONSTRAINT `c` CHECK (`CHECK` > (1 + 1) and `b``(` <> ')')\n"
        ") ENGINE=InnoDB COMMENT='CHECK (1)'",
    )
    assert [(row["name"], row["clause"]) for row in written.checks] == [
        ("b`(", "json_valid(`b``(`)"),
        ("c", "`CHECK` > (1 + 1) and `b``(` <> ')'"),
    ]
    assert [(row["name"], row["on_delete"], row["on_update"]) for row in written.rules] == [
        ("f,1", "SET NULL", "NO ACTION"),
        ("f2", "RESTRICT", "RESTRICT"),
    ]


@pytest.mark.parametrize(
    "text", ["", "CREATE TABLE `t`", "CREATE TABLE `t` (", "(((", "CONSTRAINT", "( , )", "(CONSTRAINT)"]
)
def test_a_text_that_says_nothing_has_no_checks(text: str) -> None:
    assert _mariadb.read_create("t", text) == _mariadb.Written([], [])


class Refusal(Exception):
    pass


def part(bad: str, *, failures: int = 50) -> tuple[Part[str], list[Sequence[str]]]:
    calls: list[Sequence[str]] = []

    async def read(names: Sequence[str]) -> Bucket:
        calls.append(names)
        if any(name in bad for name in names):
            raise Refusal
        return [TableInfo("s", name, "table", ()) for name in names], []

    def refused(error: Exception) -> str | None:
        return "no" if isinstance(error, Refusal) else None

    return Part("s", name=str, read=read, refused=refused, failures_left=failures), calls


async def test_a_bucket_that_fails_is_halved_down_to_the_tables_that_fail() -> None:
    reading, _ = part("cf")
    tables, failures = await reading.bucket("abcdefgh")
    assert "".join(table.name for table in tables) == "abdegh"
    assert [(each.table, each.reason) for each in failures] == [("c", "no"), ("f", "no")]


async def test_where_everything_fails_it_is_not_tried_one_by_one() -> None:
    reading, calls = part("abcdefgh", failures=2)
    tables, failures = await reading.bucket("abcdefgh")
    assert (tables, len(failures)) == ([], 8)
    assert len(calls) < 8
