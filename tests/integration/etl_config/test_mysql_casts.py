"""The casts of MariaDB against the server: what is let through comes out as it is spelled by us."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.dialects import Sql
from services.etl.tables.dialects._mysql_casts import cast
from services.etl.tables.dialects._mysql_marks import OPTIONS
from services.etl.tables.dialects._mysql_types import type_name
from services.etl.tables.dialects.casts import castable
from services.etl.tables.literals import LiteralUnfit, canonical
from shared.engines import mysql
from tests.servers.mariadb import MariaDsn

from .odd_texts import FROM_TEXT, ODD_TEXTS, TEXT, TYPES

pytestmark = pytest.mark.mariadb

C = Sql("c")


async def session(dsn: MariaDsn) -> Any:
    connection = await dsn.connect()
    async with connection.cursor() as cursor:
        await cursor.execute(f"SET SESSION sql_mode = '{mysql.SQL_MODE}', time_zone = '+00:00'")
    return connection


def drawn(strategy: st.SearchStrategy[list[str]]) -> list[str]:
    """Texts that are the same every time."""
    seen: list[str] = []

    @settings(
        max_examples=5,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(texts=strategy)
    def cases(texts: list[str]) -> None:
        seen.extend(texts)

    cases()
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("wanted", FROM_TEXT, ids=str)
async def test_a_text_is_let_through_exactly_when_it_casts_to_what_we_read_in_it(
    mariadb_database: MariaDsn, wanted: ColumnType
) -> None:
    how, texts = cast(TEXT, wanted, C), drawn(st.lists(ODD_TEXTS, min_size=100, max_size=100))
    connection = await session(mariadb_database)
    async with connection.cursor() as cursor:
        await cursor.execute(f"CREATE TABLE t (n int, c longtext) {OPTIONS}")
        literals = ", ".join(
            f"({at}, CONVERT(X'{text.encode().hex()}' USING utf8mb4))" for at, text in enumerate(texts)
        )
        await cursor.execute(f"INSERT INTO t VALUES {literals}")
        await cursor.execute(f"SELECT n FROM t WHERE {how.misfit}")
        misfits = {number for (number,) in await cursor.fetchall()}
        await cursor.execute(f"DELETE FROM t WHERE {how.misfit}")
        values = await converted(cursor, wanted, direct=how.direct, value=how.value)
    connection.close()
    for number, text in enumerate(texts):
        if number in misfits:
            assert not is_plain(wanted, text), text
        else:
            assert values[number] == canonical(wanted, text), text


async def converted(cursor: Any, wanted: ColumnType, *, direct: bool, value: str) -> dict[int, str]:
    """The texts as values of the type in the way of a plan, and again as texts, in the spelling of ours."""
    kind = type_name(wanted)
    if direct:
        await cursor.execute(f"ALTER TABLE t MODIFY c {kind}")
    else:
        await cursor.execute(f"ALTER TABLE t ADD d {kind}")
        await cursor.execute(f"UPDATE t SET d = {value}")
        await cursor.execute("ALTER TABLE t DROP c, CHANGE d c " + kind)
    await cursor.execute(f"SELECT n, {cast(wanted, TEXT, C).value} FROM t")
    return dict(await cursor.fetchall())


def is_plain(wanted: ColumnType, text: str) -> bool:
    """Whether we read a value in a text that is spelled in the way that all databases read."""
    try:
        value = canonical(wanted, text)
    except LiteralUnfit:
        return False
    if wanted.kind in {"time", "timestamp", "timestamptz", "date"}:
        return value in {text, text.replace("T", " ")}
    return wanted.kind != "uuid" or value == text.lower()


async def test_no_value_stays_none_whatever_it_is_cast_to(mariadb_database: MariaDsn) -> None:
    connection = await session(mariadb_database)
    async with connection.cursor() as cursor:
        for before in TYPES:
            for after in (one for one in TYPES if castable(before, one)):
                how = cast(before, after, C)
                await cursor.execute(f"CREATE TABLE t (c {type_name(before)}) {OPTIONS}")
                await cursor.execute("INSERT INTO t VALUES (NULL)")
                await cursor.execute(f"SELECT {how.value} FROM t")
                assert list(await cursor.fetchall()) == [(None,)], (before, after)
                await cursor.execute("DROP TABLE t")
    connection.close()


@pytest.mark.parametrize(
    ("before", "after", "values", "misfits"),
    [
        ("int64", "int16", ["-32769", "-32768", "32767", "32768"], {0, 3}),
        ("int32", "decimal(5,2)", ["999", "-999", "1000", "-2147483648"], {2, 3}),
        ("decimal(5,2)", "int16", ["1.00", "-1.50", "0.01"], {1, 2}),
        ("decimal(38,0)", "decimal(5,2)", ["999", f"-{'9' * 38}"], {1}),
        ("decimal(5,2)", "decimal(3,1)", ["1.10", "99.90", "1.11", "100.00"], {2, 3}),
        ("varchar(40)", "varchar(3)", ["abc", "abcd", "abc ", "日本語"], {1, 2}),
        ("timestamp", "date", ["2026-01-31 00:00:00", "2026-01-31 00:00:00.000001"], {1}),
        ("int64", "varchar(3)", ["999", "-99", "1000"], {2}),
        ("boolean", "varchar(4)", ["1", "0"], {1}),
        ("boolean", "int16", ["0", "1", "2"], {2}),
        ("time", "text", ["23:59:59.999999", "24:00:00", "-00:00:01"], {1, 2}),
    ],
)
async def test_a_value_that_would_be_another_one_is_found(
    mariadb_database: MariaDsn, before: str, after: str, values: Sequence[str], misfits: set[int]
) -> None:
    kind, wanted = ColumnType.parse(before), ColumnType.parse(after)
    how = cast(kind, wanted, C)
    connection = await session(mariadb_database)
    async with connection.cursor() as cursor:
        await cursor.execute(f"CREATE TABLE t (n int, c {type_name(kind)}) {OPTIONS}")
        for at, value in enumerate(values):
            await cursor.execute("INSERT INTO t VALUES (%s, %s)", (at, value))
        await cursor.execute(f"SELECT n FROM t WHERE {how.misfit}")
        assert {number for (number,) in await cursor.fetchall()} == misfits
    connection.close()


async def test_times_are_spelled_as_ours(mariadb_database: MariaDsn) -> None:
    spelled = {
        "time": {"13:45:00": "13:45:00", "13:45:00.5": "13:45:00.500000"},
        "timestamp": {"0001-01-01 00:00:00": "0001-01-01 00:00:00"},
        "timestamptz": {"2026-01-31 13:45:00.25": "2026-01-31 13:45:00.250000+00:00"},
        "boolean": {"1": "true", "0": "false"},
    }
    connection = await session(mariadb_database)
    async with connection.cursor() as cursor:
        for name, values in spelled.items():
            kind = ColumnType.parse(name)
            for stored, text in values.items():
                await cursor.execute(f"CREATE OR REPLACE TABLE t (c {type_name(kind)}) {OPTIONS}")
                await cursor.execute("INSERT INTO t VALUES (%s)", (stored,))
                await cursor.execute(f"SELECT {cast(kind, TEXT, C).value} FROM t")
                assert list(await cursor.fetchall()) == [(text,)]
                assert canonical(kind, text) == text
    connection.close()
