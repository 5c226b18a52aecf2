"""Both encoders give PostgreSQL the same rows, whatever the values, and however a batch is cut."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import Column, Columns, ColumnType
from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations._encoding import (
    BinaryEncoder,
    Encoder,
    PhysicalColumn,
    TextEncoder,
    encoder_for,
)
from services.etl.pipeline.arrow_types import arrow_schema
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.postgres

TYPES: Mapping[str, tuple[str, str]] = {
    "flag": ("boolean", "boolean"),
    "small": ("int16", "smallint"),
    "middle": ("int32", "bigint"),
    "large": ("int64", "bigint"),
    "counted": ("int64", "numeric"),
    "rounded": ("int64", "numeric(22,2)"),
    "money": ("decimal(20,4)", "numeric(20,4)"),
    "free": ("decimal(38,12)", "numeric"),
    "wider": ("decimal(9,2)", "numeric(30,6)"),
    "single": ("float32", "real"),
    "double": ("float64", "double precision"),
    "words": ("text", "text"),
    "cut": ("varchar(8)", "varchar(8)"),
    "day": ("date", "date"),
    "clock": ("time", "time"),
    "local": ("timestamp", "timestamp"),
    "moment": ("timestamptz", "timestamptz"),
    "tree": ("json", "jsonb"),
    "uid": ("uuid", "uuid"),
    "raw": ("bytes", "bytea"),
}
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
moments = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59))  # noqa: DTZ001  wall clocks


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda digits: Decimal(f"{digits}E-{scale}"))


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "small": whole(16),
    "middle": whole(32),
    "large": whole(64),
    "counted": whole(64),
    "rounded": whole(64),
    "money": decimals(20, 4),
    "free": decimals(38, 12),
    "wider": decimals(9, 2),
    "single": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "words": texts | st.sampled_from(["\\N", "\\", "a\tb\r\nc", "", "\\.", '"', "\\\\x41"]),
    "cut": texts,
    "day": st.dates(),
    "clock": st.times(),
    "local": moments,
    "moment": moments.map(lambda moment: moment.replace(tzinfo=dt.UTC)),
    "tree": st.lists(texts | st.integers(), max_size=3).map(json.dumps),
    "uid": st.uuids().map(str),
    "raw": st.binary(max_size=8),
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | value for name, value in VALUES.items()}), max_size=8
)
cuts = st.tuples(st.integers(0, 3), st.integers(0, 8))
COLUMNS = Columns(Column(name=name, type=ColumnType.parse(kind)) for name, (kind, _) in TYPES.items())


@pytest.fixture
async def connection(postgres_database: Dsn) -> AsyncIterator[Any]:
    """A session with a table of all types, twice."""
    session = await postgres_database.connect()
    for table in ("by_binary", "by_text"):
        spelled = ", ".join(f"{name} {native}" for name, (_, native) in TYPES.items())
        await session.execute(f"CREATE TABLE {table} ({spelled})")
    yield session
    await session.close()


async def physical(connection: Any) -> list[PhysicalColumn]:
    found = await connection.fetch(sql.COLUMNS, await connection.fetchval("SELECT 'by_text'::regclass::oid"))
    return [PhysicalColumn(row["name"], row["type_name"], row["built_in"], row["modifier"]) for row in found]


async def copied(connection: Any, table: str, encoder: Encoder, batch: pa.RecordBatch) -> list[Any]:
    """What the table holds after a COPY, as text."""

    async def source() -> AsyncIterator[bytes]:
        yield encoder.header() + encoder.encode(batch) + encoder.trailer()

    await connection.execute(f"TRUNCATE {table}")
    status = await connection.copy_to_table(
        table, source=source(), format=encoder.format, columns=list(TYPES)
    )
    assert status == f"COPY {len(batch)}"
    listed = ", ".join(f"{name}::text" for name in TYPES)
    return [tuple(row) for row in await connection.fetch(f"SELECT {listed} FROM {table}")]


@given(given_rows=rows, cut=cuts)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_both_encoders_give_the_same_table(
    connection: Any, given_rows: list[dict[str, Any]], cut: tuple[int, int]
) -> None:
    schema = arrow_schema(COLUMNS)
    batch = pa.RecordBatch.from_pylist(given_rows, schema=schema).slice(*cut)
    columns = await physical(connection)
    fast = encoder_for(columns, schema)
    assert isinstance(fast, BinaryEncoder)
    binary = await copied(connection, "by_binary", fast, batch)
    text = await copied(connection, "by_text", TextEncoder(columns), batch)
    assert binary == text
    nulls = [[row[name] is None for name in TYPES] for row in given_rows[cut[0] :][: cut[1]]]
    assert [[value is None for value in row] for row in binary] == nulls
