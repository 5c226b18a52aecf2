"""Names and texts that people invent must come back from a database as they were written."""

import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.checks import definition_faults
from services.etl.tables.definition import ColumnDefinition, Default, Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, key_name
from services.etl.tables.editing import located
from services.etl.tables.literals import LiteralUnfit, canonical
from shared.identifiers import uuid7

SQLITE = DIALECTS["sqlite"]
TEXTS = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=12)
VALUES = st.tuples(
    st.sampled_from(
        ["text", "int16", "int64", "decimal(9,3)", "float64", "boolean", "date", "uuid", "bytes"]
    ),
    st.one_of(
        TEXTS,
        st.integers(-(2**63), 2**63 - 1).map(str),
        st.decimals(allow_nan=False, places=3, min_value=-(10**5), max_value=10**5).map(str),
        st.floats(allow_nan=False, allow_infinity=False).map(repr),
        st.sampled_from(["true", "false"]),
        st.dates().map(str),
        st.uuids().map(str),
        st.binary(max_size=5).map(bytes.hex),
    ),
)


def table_of(names: list[str], comment: str = "") -> TableDefinition:
    columns = [ColumnDefinition(id=uuid7(), name=name, type=ColumnType("text")) for name in names]
    return TableDefinition(columns=columns, comment=comment)


@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
@settings(max_examples=200, deadline=None)
def test_names_without_faults_make_a_table_with_exactly_these_names(names: list[str], name: str) -> None:
    definition = table_of(names)
    location = located(None, name, None)
    if definition_faults(definition, location, SQLITE) or name.casefold().startswith(
        ("sqlite_", "_penstock")
    ):
        return
    connection = sqlite3.connect(":memory:")

    for statement in SQLITE.create(location, definition):
        connection.execute(statement.sql)

    found = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (name,)).fetchall()
    connection.close()
    assert [column for (column,) in found] == names


@given(VALUES)
@settings(max_examples=400, deadline=None)
def test_a_default_that_is_accepted_is_the_value_that_a_row_gets(value: tuple[str, str]) -> None:
    kind, text = ColumnType.parse(value[0]), value[1]
    try:
        literal = canonical(kind, text)
    except LiteralUnfit:
        return
    column = ColumnDefinition(id=uuid7(), name="c", type=kind, default=Default(literal=literal))
    definition = TableDefinition(columns=[column])
    connection = sqlite3.connect(":memory:")
    for statement in SQLITE.create(Location(None, "t"), definition):
        connection.execute(statement.sql)
    connection.execute("INSERT INTO t DEFAULT VALUES")

    (found,) = connection.execute("SELECT c FROM t").fetchone()

    connection.close()
    assert found == _stored(kind, literal)


def _stored(kind: ColumnType, literal: str) -> object:
    if kind.is_integer:
        return int(literal)
    if kind.kind == "float64":
        return float(literal)
    if kind.kind == "boolean":
        return int(literal == "true")
    return bytes.fromhex(literal) if kind.kind == "bytes" else literal


@given(st.lists(TEXTS, min_size=1, max_size=8), TEXTS, st.sampled_from(["key", "idx"]))
def test_made_up_key_names_fit_into_63_bytes(columns: list[str], table: str, ending: str) -> None:
    name = key_name(table, columns, ending)  # type: ignore[arg-type]  # one of the two endings

    assert len(name.encode()) <= 63


@given(st.lists(st.text(max_size=70), min_size=1, max_size=5), st.text(max_size=20))
def test_any_names_at_all_are_judged_without_an_error(names: list[str], comment: str) -> None:
    for dialect in DIALECTS.values():
        faults = definition_faults(table_of(names, comment), Location(None, "t"), dialect)
        assert all(fault.loc[0] in {"columns", "primary_key", "comment"} for fault in faults)
