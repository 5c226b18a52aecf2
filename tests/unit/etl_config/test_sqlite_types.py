import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import Default
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.dialects._sqlite_types import shown
from services.etl.tables.literals import LiteralUnfit, canonical
from services.etl.tables.physical import PhysicalColumn

SQLITE = DIALECTS["sqlite"]
EVERY = [ColumnType(kind, length=9, precision=9, scale=2) for kind in KINDS]
TYPES = [ColumnType.parse(str(kind)) for kind in EVERY]


def declared_as(declaration: str) -> tuple[str, str | None]:
    """The type and default of a column as SQLite shows them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE t (c {declaration})")
        rows = connection.execute("SELECT type, dflt_value FROM pragma_table_xinfo('t')").fetchall()
        assert len(rows) == 1
        assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == [
            (f"CREATE TABLE t (c {declaration})",)
        ]
    kind, default = rows[0]
    return str(kind), default


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_type_is_read_back(kind: ColumnType) -> None:
    spelled, _ = declared_as(SQLITE.type_name(kind))

    assert SQLITE.type_of(spelled) == kind
    assert SQLITE.native_name(spelled) == spelled


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("INTEGER", "int64"),
        ("unsigned big int", "int64"),
        ("nvarchar(20)", "varchar(20)"),
        ("NUMERIC(10,2)", "decimal(10,2)"),
        ("numeric ( 7 )", "decimal(7,0)"),
        ("CLOB", "text"),
        ("DOUBLE PRECISION", "float64"),
        ("datetime", "timestamp"),
        ("NUMERIC", None),
        ("VARCHAR(0)", None),
        ("GEOMETRY", None),
    ],
)
def test_other_types_travel_as_what_their_names_mean(spelled: str, kind: str | None) -> None:
    assert SQLITE.type_of(spelled) == (ColumnType.parse(kind) if kind else None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("integer", "INTEGER"),
        (" double\n precision ", "double precision"),
        ("decimal ( 10 , 2 )", "decimal(10,2)"),
        ("INTEGER PRIMARY KEY", None),
        ("text not null", None),
        ("text collate nocase", None),
        ("int generated always as (1)", None),
        ("text)", None),
        ("text; DROP TABLE t", None),
        ("text -- x", None),
        ("text, b int", None),
        ("'text'", None),
        ('"text"', None),
        ("text(1", None),
        ("", None),
        ("9", None),
        ("text\x00", None),
        ("rEAL", "REAL"),
    ],
)
def test_a_type_by_name_is_a_name_and_nothing_else(text: str, name: str | None) -> None:
    assert SQLITE.native_name(text) == name


@given(text=st.text(alphabet="aZ_9 (),;'\"-/*[]`\nKEYNOT", max_size=20) | st.text(max_size=8))
def test_a_type_by_name_can_be_declared_and_declares_nothing_else(text: str) -> None:
    name = SQLITE.native_name(text)

    if name is not None:
        spelled, default = declared_as(name)
        assert (shown(spelled), default) == (name, None)


@pytest.mark.parametrize(
    ("declared", "name"),
    [("", "BLOB"), ('a "weird" one', "NUMERIC"), ("point generated", "INTEGER"), ("x" * 2000, "NUMERIC")],
)
def test_a_declared_type_that_is_no_name_is_shown_by_its_affinity(declared: str, name: str) -> None:
    assert shown(declared) == name
    assert SQLITE.native_name(name) == name


@given(kind=st.sampled_from(TYPES), text=st.text(max_size=9) | st.integers(-999, 999).map(str))
def test_a_default_is_read_back(kind: ColumnType, text: str) -> None:
    try:
        wanted = canonical(kind, text)
        wanted.encode()
    except (LiteralUnfit, UnicodeEncodeError):
        return

    _, found = declared_as(f"{SQLITE.type_name(kind)} DEFAULT {SQLITE.literal(kind, wanted)}")

    column = PhysicalColumn("c", SQLITE.type_name(kind), nullable=True, default=found)
    assert SQLITE.default_of(column, kind) == Default(literal=wanted)


@pytest.mark.parametrize(
    ("kind", "text", "sql"),
    [
        ("decimal(9,2)", "0", "'0.00'"),
        ("boolean", "true", "1"),
        ("timestamptz", "2026-01-31T13:45+02:00", "'2026-01-31 11:45:00.000000Z'"),
        ("time", "13:45", "'13:45:00.000000'"),
        ("bytes", "00FF", "X'00ff'"),
    ],
)
def test_a_default_is_spelled_as_runs_write_the_value(kind: str, text: str, sql: str) -> None:
    assert SQLITE.literal(ColumnType.parse(kind), text) == sql


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_the_time_of_the_insert_is_read_back(kind: str) -> None:
    parsed = ColumnType.parse(kind)
    _, found = declared_as(f"TEXT DEFAULT {SQLITE.now(parsed)}")

    column = PhysicalColumn("c", "TEXT", nullable=True, default=found)
    assert SQLITE.default_of(column, parsed) == Default(function="now")


@pytest.mark.parametrize(
    ("spelled", "kind", "default"),
    [
        ("DEFAULT NULL", "text", None),
        ('DEFAULT "say ""x"""', "text", Default(literal='say "x"')),
        ("DEFAULT 5", "text", Default(literal="5")),
        ("DEFAULT TRUE", "boolean", Default(literal="true")),
        ("DEFAULT CURRENT_TIMESTAMP", "timestamp", Default(kept="CURRENT_TIMESTAMP")),
        ("DEFAULT (1 + 1)", "int32", Default(kept="1 + 1")),
        ("DEFAULT 'x'", "int32", Default(kept="'x'")),
        ("DEFAULT x'00'", "text", Default(kept="x'00'")),
        ("DEFAULT 0x10", "int32", Default(kept="0x10")),
        (f"DEFAULT '{'x' * 2001}'", "text", Default(kept=f"'{'x' * 2001}'")),
        (f"DEFAULT '{'x' * 20_000}'", "text", Default(kept=f"'{'x' * 9999}")),
    ],
)
def test_a_default_of_others_is_a_literal_or_kept(spelled: str, kind: str, default: Default | None) -> None:
    _, found = declared_as(f"TEXT {spelled}")

    column = PhysicalColumn("c", "TEXT", nullable=True, default=found)
    assert SQLITE.default_of(column, ColumnType.parse(kind)) == default
