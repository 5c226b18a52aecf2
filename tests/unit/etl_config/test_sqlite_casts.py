import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.dialects import _sqlite_casts as casts
from services.etl.tables.literals import LiteralUnfit, canonical

parse = ColumnType.parse


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        casts.register(opened)
        yield opened


def fits(connection: sqlite3.Connection, value: object, before: str, after: str) -> bool:
    condition = casts.fits("c", parse(before), parse(after))
    return bool(connection.execute(f"SELECT {condition} FROM (SELECT ? AS c)", (value,)).fetchone()[0])


def made(connection: sqlite3.Connection, value: object, before: str, after: str) -> object:
    expression = casts.cast("c", parse(before), parse(after))
    return connection.execute(f"SELECT {expression} FROM (SELECT ? AS c)", (value,)).fetchone()[0]


@pytest.mark.parametrize(
    ("value", "before", "after", "wanted"),
    [
        ("007", "text", "int32", 7),
        (7, "int16", "text", "7"),
        (7, "int32", "float64", 7.0),
        (7, "int32", "decimal(3,1)", "7.0"),
        ("7.00", "decimal(9,2)", "int16", 7),
        ("7.50", "decimal(9,2)", "decimal(3,1)", "7.5"),
        ("7.5", "decimal(3,1)", "varchar(3)", "7.5"),
        (1, "boolean", "text", "true"),
        (0, "boolean", "int64", 0),
        ("true", "text", "boolean", 1),
        (0.5, "float32", "float64", 0.5),
        (b"\x00\xff", "bytes", "bytes", b"\x00\xff"),
        ("2026-01-31", "date", "timestamp", "2026-01-31 00:00:00.000000"),
        ("2026-01-31 00:00:00.000000", "timestamp", "date", "2026-01-31"),
        ("2026-01-31 13:45:00.500000", "timestamp", "timestamptz", "2026-01-31 13:45:00.500000Z"),
        ("2026-01-31 13:45:00.500000Z", "timestamptz", "timestamp", "2026-01-31 13:45:00.500000"),
        ("2026-01-31 13:45:00.000000Z", "timestamptz", "text", "2026-01-31 13:45:00+00:00"),
        ("2026-01-31T13:45+02:00", "text", "timestamptz", "2026-01-31 11:45:00.000000Z"),
        ("13:45:00.000000", "time", "text", "13:45:00"),
        ("13:45", "text", "time", "13:45:00.000000"),
        ("6F9C1C0E5B1F5D0E9D7C3A1E5D0C7B42", "text", "uuid", "6f9c1c0e-5b1f-5d0e-9d7c-3a1e5d0c7b42"),
        (None, "text", "int32", None),
    ],
)
def test_a_cast_keeps_the_meaning_of_a_value(
    connection: sqlite3.Connection, value: object, before: str, after: str, wanted: object
) -> None:
    assert value is None or fits(connection, value, before, after)
    assert made(connection, value, before, after) == wanted


@pytest.mark.parametrize(
    ("value", "before", "after"),
    [
        ("7.5", "text", "int32"),
        ("7x", "text", "int32"),
        ("", "text", "int32"),
        (70_000, "int32", "int16"),
        ("7.50", "decimal(9,2)", "int16"),
        ("7.55", "decimal(9,2)", "decimal(3,1)"),
        ("100.0", "decimal(9,1)", "decimal(3,1)"),
        (2, "boolean", "text"),
        ("yes", "text", "boolean"),
        ("four", "text", "varchar(3)"),
        ("a\x00b", "varchar(3)", "text"),
        ("2026-02-30", "text", "date"),
        ("20260131", "text", "date"),
        ("2026-W05-6", "text", "date"),
        ("13:45:00.1234567", "text", "time"),
        ("2026-01-31 13:45:00", "text", "timestamptz"),
        ("2026-01-31 13:45:00Z", "text", "timestamp"),
        ("2026-01-31 00:00:00.000001", "timestamp", "date"),
        ("0001-01-01T00:00+14:00", "text", "timestamptz"),
        ("not one", "int32", "int64"),
        (1.5, "int32", "int64"),
        (b"7", "text", "int32"),
        ("7", "bytes", "bytes"),
        ("nan", "float32", "float64"),
    ],
)
def test_what_would_become_another_value_does_not_fit(
    connection: sqlite3.Connection, value: object, before: str, after: str
) -> None:
    assert not fits(connection, value, before, after)


def test_a_text_that_is_no_utf_8_does_not_fit(connection: sqlite3.Connection) -> None:
    condition = casts.fits("c", parse("text"), parse("int32"))

    found = connection.execute(f"SELECT {condition} FROM (SELECT CAST(x'37ff' AS TEXT) AS c)").fetchone()

    assert found == (0,)


_TEXTS = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.dates().map(str),
    st.times().map(str),
    st.datetimes().map(str),
    st.uuids().map(str),
    st.sampled_from(["true", "false", "+1", "-0", "1e3", "24:00", "2026-01-31T00:00:00Z"]),
)


@given(
    text=_TEXTS,
    after=st.sampled_from(
        ["int16", "int64", "decimal(9,2)", "boolean", "date", "time", "timestamp", "timestamptz", "uuid"]
    ),
)
def test_the_condition_says_exactly_what_the_cast_takes(
    connection: sqlite3.Connection, text: str, after: str
) -> None:
    if not fits(connection, text, "text", after):
        with pytest.raises((sqlite3.OperationalError, UnicodeError)):
            made(connection, text, "text", after)
        return

    value = made(connection, text, "text", after)

    kind = parse(after)
    wanted = canonical(kind, text)
    assert made(connection, value, after, "text") == wanted


@given(text=_TEXTS, length=st.integers(1, 12))
def test_a_text_fits_a_length_as_a_literal_does(
    connection: sqlite3.Connection, text: str, length: int
) -> None:
    kind = ColumnType("varchar", length=length)
    try:
        expected = canonical(kind, text) == text
    except LiteralUnfit:
        expected = False

    assert fits(connection, text, "text", str(kind)) == expected
