"""The casts of PostgreSQL against the server: what is let through comes out as it is spelled by us."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.dialects import Sql
from services.etl.tables.dialects._postgresql_casts import cast, text_of
from services.etl.tables.dialects._postgresql_types import type_name
from services.etl.tables.dialects.casts import castable
from services.etl.tables.literals import LiteralUnfit, canonical
from tests.servers.postgres import Dsn

from .odd_texts import FROM_TEXT, ODD_TEXTS, TYPES

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio(loop_scope="function")]

DAYS = [
    f"{year}-{month}-{day}"
    for year in ("1900", "2000", "2023", "2024")
    for month, day in (
        ("02", "28"),
        ("02", "29"),
        ("02", "30"),
        ("04", "31"),
        ("08", "31"),
        ("00", "01"),
        ("13", "01"),
    )
]
TIMES = ["23:59", "24:00", "23:60", "23:59:59.999999", "23:59:60", "00:00:00.1234567"]
EDGES = [
    *DAYS,
    *TIMES,
    "0000-01-01",
    "0001-01-01",
    *(
        f"2024-02-29{separator}{time}{zone}"
        for separator in " T"
        for time in TIMES
        for zone in ("", "Z", "+15:59", "-1530", "+16:00", "+05", "+05:60")
    ),
    "0001-01-01 00:00:00+00:01",
    "9999-12-31 23:59:59-00:01",
    "9999-12-31 23:59:59.999999Z",
    "32767",
    "32768",
    "-32768",
    "-32769",
    "9" * 30,
    "0" * 31,
    "2147483648",
    "9223372036854775808",
    "999.99",
    "1000",
    "999.990",
    "999.999",
    ".5",
    "5.",
    "0.999",
    "1.000",
    "-0",
    "9" * 100 + "." + "9" * 100,
    "true",
    "TRUE",
    "false ",
    "",
    " ",
    "1\n",
    "--1",
    "+-1",
    "1e3",
    "NaN",
    "Infinity",
]


async def settled(connection: Any) -> None:
    await connection.execute("SET TimeZone = 'UTC'")


@pytest.mark.parametrize("wanted", FROM_TEXT, ids=str)
async def test_a_text_is_let_through_exactly_when_it_casts_to_what_we_read_in_it(
    postgres_server: Dsn, wanted: ColumnType
) -> None:
    connection = await postgres_server.connect()
    await settled(connection)
    how = cast(ColumnType("text"), wanted, Sql("c"))
    query = (
        f"SELECT {how.misfit} AS misfit, CASE WHEN {how.misfit} THEN NULL ELSE"
        f" {text_of(wanted, f'({how.using})::{type_name(wanted)}')} END AS value"
        " FROM (SELECT pg_catalog.unnest($1::text[]) AS c OFFSET 0) AS t"
    )

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(texts=st.lists(ODD_TEXTS, min_size=100, max_size=100))
    def cases(texts: list[str]) -> None:
        seen.append(texts)

    seen: list[list[str]] = [EDGES]
    cases()
    assert not (await connection.fetchrow(query, [None]))["misfit"]
    for texts in seen:
        for text, row in zip(texts, await connection.fetch(query, texts), strict=True):
            if not row["misfit"]:
                assert row["value"] == canonical(wanted, text)
            else:
                assert not is_plain(wanted, text), text
    await connection.close()


def is_plain(wanted: ColumnType, text: str) -> bool:
    """Whether we read a value in a text that is spelled in the way that all databases read."""
    try:
        value = canonical(wanted, text)
    except LiteralUnfit:
        return False
    if wanted.kind in {"time", "timestamp", "timestamptz", "date"}:
        return value in {text, text.replace("T", " ")}
    return wanted.kind != "uuid" or value == text.lower()


async def test_every_cast_that_there_is_can_be_carried_out(postgres_database: Dsn) -> None:
    connection = await postgres_database.connect()
    await settled(connection)
    for before in TYPES:
        for after in (one for one in TYPES if castable(before, one)):
            how = cast(before, after, Sql("c"))
            using = "" if how.direct else f" USING {how.using}"
            await connection.execute(f"CREATE TABLE t (c {type_name(before)})")
            await connection.execute(f"SELECT count(*) FROM t WHERE {how.misfit or 'false'}")
            await connection.execute(f"ALTER TABLE t ALTER c TYPE {type_name(after)}{using}")
            await connection.execute("DROP TABLE t")
    await connection.close()


@pytest.mark.parametrize(
    ("before", "after", "values", "misfits"),
    [
        ("int64", "int16", ["32767", "32768", "-32768", "-32769"], ["-32769", "32768"]),
        ("int32", "decimal(5,2)", ["999", "1000", "-1000"], ["-1000", "1000"]),
        ("decimal(5,2)", "decimal(4,1)", ["1.10", "1.11", "999.90"], ["1.11"]),
        ("decimal(5,2)", "int16", ["1.00", "1.01", "NaN"], ["1.01", "NaN"]),
        ("decimal(38,0)", "int64", ["9223372036854775807", "9223372036854775808"], ["9223372036854775808"]),
        ("decimal(5,2)", "text", ["1.00", "NaN"], ["NaN"]),
        ("text", "varchar(2)", ["ab", "abc", "航班x"], ["abc", "航班x"]),
        ("date", "timestamp", ["0001-01-01", "9999-12-31", "10000-01-01", "infinity"], ["10000-01-01"]),
        ("timestamp", "date", ["2024-01-01 00:00:00", "2024-01-01 00:00:01"], ["2024-01-01 00:00:01"]),
        ("time", "text", ["23:59:59.999999", "24:00:00"], ["24:00:00"]),
        ("timestamptz", "text", ["9999-12-31 23:59:59+00", "infinity"], ["infinity"]),
        (
            "timestamp",
            "varchar(19)",
            ["2024-01-01 00:00:01", "2024-01-01 00:00:00.5"],
            ["2024-01-01 00:00:00.5"],
        ),
    ],
)
async def test_values_that_another_type_can_not_hold_exactly_are_found(
    postgres_server: Dsn, before: str, after: str, values: list[str], misfits: list[str]
) -> None:
    kind = ColumnType.parse(before)
    how = cast(kind, ColumnType.parse(after), Sql("c"))

    rows = await postgres_server.fetch(
        f"SELECT c::text FROM (SELECT unnest($1::text[])::{type_name(kind)} AS c) t WHERE {how.misfit}",
        values,
    )

    assert sorted(row[0] for row in rows) == misfits
