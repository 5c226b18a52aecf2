"""Types and defaults of MySQL and MariaDB, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import Default
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.dialects._mysql_algorithms import Algorithm, Part, Rules
from services.etl.tables.dialects._mysql_types import declared, unquoted
from services.etl.tables.physical import PhysicalColumn

MYSQL = DIALECTS["mysql"]
SIZED = [ColumnType("varchar", length=40), ColumnType("decimal", precision=9, scale=2)]


@pytest.mark.parametrize(
    "kind", [*(ColumnType(kind) for kind in KINDS if kind not in {"varchar", "decimal"}), *SIZED], ids=str
)
def test_a_type_is_read_back_as_itself_or_as_one_that_is_kept_alike(kind: ColumnType) -> None:
    read = MYSQL.type_of(MYSQL.type_name(kind))

    assert read is not None
    assert MYSQL.type_name(read) == MYSQL.type_name(kind)


@pytest.mark.parametrize(
    "spelled", ["mediumint", "text", "varchar(20) in latin1_swedish_ci", "int unsigned", "decimal(60,2)"]
)
def test_other_types_are_none_of_ours(spelled: str) -> None:
    assert MYSQL.type_of(spelled) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("INTEGER", "int"),
        ("int(11) UNSIGNED", "int unsigned"),
        ("tinyint(1)", "tinyint(1)"),
        ("Boolean", "tinyint(1)"),
        ("int(5) unsigned zerofill", "int(5) unsigned zerofill"),
        ("numeric(9)", "decimal(9,0)"),
        ("dec", "decimal(10,0)"),
        ("double  precision", "double"),
        ("character varying (20)", "varchar(20)"),
        ("char", "char(1)"),
        ("varchar(20) in latin1_swedish_ci", "varchar(20) in latin1_swedish_ci"),
        ("year(4)", "year"),
        ("timestamp(0)", "timestamp"),
        ("datetime(3)", "datetime(3)"),
        ("ENUM('A', 'it''s')", "enum('A','it''s')"),
        ("inet6", "inet6"),
        ("serial", None),
        ("int auto_increment", None),
        ("int, drop column b", None),
        ("varchar", None),
        ("varchar(20) unsigned", None),
        ("enum('a') default 'x", None),
        ("enum('a\\')", None),
        ("enum()", None),
        ("int in latin1_swedish_ci", None),
        ("text comment 'x'", None),
        ("int/**/", None),
        ("geometry; drop table t", None),
        ("", None),
    ],
)
def test_a_type_by_name_is_spelled_as_the_catalog_does_or_refused(text: str, name: str | None) -> None:
    assert MYSQL.native_name(text) == name


@given(st.text(max_size=30))
def test_what_is_taken_for_a_type_is_one_again(text: str) -> None:
    name = MYSQL.native_name(text)

    assert name is None or MYSQL.native_name(name) == name


@pytest.mark.parametrize(
    ("kind", "spelled", "default"),
    [
        ("int64", "-7", Default(literal="-7")),
        ("boolean", "1", Default(literal="true")),
        ("boolean", "2", Default(kept="2")),
        ("decimal(5,2)", "1.50", Default(literal="1.50")),
        ("text", "'it\\'s \\\\ here\\n'", Default(literal="it's \\ here\n")),
        ("varchar(9)", "'it''s'", Default(literal="it's")),
        ("text", "convert(X'f09f98a6' using utf8mb4)", Default(literal="\U0001f626")),
        ("date", "utc_date()", Default(function="now")),
        ("timestamptz", "utc_timestamp(6)", Default(function="now")),
        ("timestamptz", "'2026-01-31 13:45:00.000000'", Default(literal="2026-01-31 13:45:00+00:00")),
        ("time", "'13:45:00.000000'", Default(literal="13:45:00")),
        ("bytes", "X'00ff'", Default(literal="00ff")),
        ("timestamp", "current_timestamp(6)", Default(kept="current_timestamp(6)")),
        ("text", "uuid()", Default(kept="uuid()")),
        ("text", "5", Default(kept="5")),
        ("text", f"'{'x' * 3000}'", Default(kept=f"'{'x' * 3000}'")),
    ],
)
def test_a_default_is_read_as_the_value_or_kept(kind: str, spelled: str, default: Default) -> None:
    column = PhysicalColumn("c", "whatever", nullable=True, default=spelled)

    assert MYSQL.default_of(column, ColumnType.parse(kind)) == default


@given(st.text(st.characters(exclude_characters="\x00", codec="utf-8")))
def test_a_text_in_quotes_is_the_text(text: str) -> None:
    assert unquoted("'" + text.replace("\\", "\\\\").replace("'", "''") + "'") == text


@pytest.mark.parametrize(
    ("spelled", "sql"),
    [
        ("int unsigned", ("int unsigned", "")),
        ("varchar(9) in latin1_swedish_ci", ("varchar(9) COLLATE latin1_swedish_ci", "")),
        ("timestamp(6) on update current_timestamp(6)", ("timestamp(6)", " ON UPDATE CURRENT_TIMESTAMP(6)")),
        ("int invisible", ("int", " INVISIBLE")),
    ],
)
def test_what_an_adopted_column_has_is_declared_again(spelled: str, sql: tuple[str, str]) -> None:
    assert declared(spelled) == sql


@pytest.mark.parametrize(
    ("server", "algorithm"),
    [
        ("MariaDB 10.6.1", Algorithm.INSTANT),
        ("MySQL 8.0.29", Algorithm.INSTANT),
        ("MySQL 8.0.17", Algorithm.REBUILD),
        ("", Algorithm.INSTANT),
    ],
)
def test_what_is_done_at_once_depends_on_the_server(server: str, algorithm: Algorithm) -> None:
    assert Rules.of(server).drop_column is algorithm


def test_a_new_index_makes_a_table_anew_that_gets_a_column_too() -> None:
    column, index = Part("", Algorithm.INSTANT, "column"), Part("", Algorithm.NOCOPY, "index")

    assert Rules().combined([column]) is Algorithm.INSTANT
    assert Rules().combined([index]) is Algorithm.NOCOPY
    assert Rules().combined([column, index]) is Algorithm.REBUILD
