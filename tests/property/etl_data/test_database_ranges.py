"""Read in ranges of whatever key it has, a table gives what it gives as a whole, in the order of the key."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.etl_data.jobs import TABLE, MariaTable, PostgresTable, SqliteTable
from tests.integration.etl_data.sources import read_table
from tests.property.etl_data.test_database_round_trip import table
from tests.property.etl_data.test_round_trip import few

__all__ = ["table"]
pytestmark = pytest.mark.asyncio(loop_scope="module")
Table = SqliteTable | PostgresTable | MariaTable
KINDS: Final[dict[str, tuple[str, str, str]]] = {
    "number": ("bigint", "bigint", "INTEGER"),
    "decimal": ("numeric(20,4)", "decimal(20,4)", "TEXT"),
    "moment": ("timestamp", "datetime(6)", "TEXT"),
    "bytes": ("bytea", "varbinary(20)", "BLOB"),
    "text": ("text", "varchar(20) COLLATE utf8mb4_unicode_ci", "TEXT COLLATE NOCASE"),
    "exact": ('text COLLATE "C"', "varchar(20) COLLATE utf8mb4_bin", "TEXT"),
}
"""How columns of a key are spelled in PostgreSQL, MariaDB and SQLite."""

texts = st.text(alphabet="aAäÄßeE é'\\\"%_?\n\t日😀0", max_size=4)
values: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "decimal": st.decimals(-(10**15), 10**15, places=4) | st.integers(-3, 3).map(Decimal),
    "moment": st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 31)),  # noqa: DTZ001  it has no zone
    "bytes": st.binary(max_size=4),
    "text": texts,
    "exact": texts,
}


@dataclass(frozen=True)
class Keyed:
    """The kinds of a key's columns, the keys of some rows, and the size of a range."""

    kinds: tuple[str, ...]
    keys: tuple[tuple[Any, ...], ...]
    size: int
    above: int | None


@st.composite
def keyed(draw: st.DrawFn) -> Keyed:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3))
    keys = draw(st.lists(st.tuples(*(values[kind] for kind in kinds)), max_size=25))
    return Keyed(tuple(kinds), tuple(keys), draw(st.integers(1, 30)), draw(st.none() | st.integers(0, 25)))


def spelled(value: Any, where: Table) -> str:
    """A value in SQL of an engine."""
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'" if isinstance(where, PostgresTable) else f"x'{value.hex()}'"
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(where, MariaTable):
        return f"_utf8mb4 x'{text.encode().hex()}'" if text and not isinstance(value, int) else f"'{text}'"
    return text if isinstance(value, int) else "'" + text.replace("'", "''") + "'"


async def filled(where: Table, case: Keyed) -> None:
    """The table with those rows whose keys the database takes for different ones."""
    place = [PostgresTable, MariaTable, SqliteTable].index(type(where))
    columns = [f"c{at} {KINDS[kind][place]} NOT NULL" for at, kind in enumerate(case.kinds)]
    key = ", ".join(f"c{at}" for at in range(len(columns)))
    await where.execute(f"CREATE TABLE {TABLE} (n int, {', '.join(columns)}, PRIMARY KEY ({key}))")
    rows = ", ".join(
        f"({at}, {', '.join(spelled(value, where) for value in values)})"
        for at, values in enumerate(case.keys)
    )
    verb, behind = (
        ("INSERT", " ON CONFLICT DO NOTHING") if isinstance(where, PostgresTable) else ("REPLACE", "")
    )
    if rows:
        await where.execute(f"{verb} INTO {TABLE} VALUES {rows}{behind}")


@given(case=keyed())
@few
async def test_ranges_together_are_the_table(case: Keyed, table: Table) -> None:
    await filled(table, case)
    try:
        where = {"op": "ge", "column": "n", "value": case.above} if case.above is not None else None
        order = ", ".join(f"c{at}" for at in range(len(case.kinds)))
        least = case.above or 0
        found = await table.rows(f"SELECT n FROM {TABLE} WHERE n >= {least} ORDER BY {order}")
        got = read_table(table, {"n": "int32"}, partition_rows=case.size, where=where)
        assert got.rows == [(row[0],) for row in found]
    finally:
        await table.execute(f"DROP TABLE {TABLE}")
