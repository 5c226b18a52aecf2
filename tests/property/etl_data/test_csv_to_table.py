"""Whatever typed rows are written as CSV, a load brings the same values into the table."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.runner.executor import Executor, ExecutorLimits
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    PostgresTable,
    SqliteTable,
    columns_of,
    succeeded,
)
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPES = {
    "id": "int64",
    "text": "text",
    "short": "varchar(12)",
    "flag": "boolean",
    "small": "int16",
    "middle": "int32",
    "money": "decimal(20,4)",
    "tiny": "decimal(38,12)",
    "number": "float64",
    "single": "float32",
    "day": "date",
    "clock": "time",
    "local": "timestamp",
    "moment": "timestamptz",
    "tree": "json",
    "uid": "uuid",
    "raw": "bytes",
}

_EXACT = Context(prec=60)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
moments = st.datetimes(
    dt.datetime(2, 1, 1),  # noqa: DTZ001  wall clock times are meant
    dt.datetime(9998, 12, 31),  # noqa: DTZ001  wall clock times are meant
)
offsets = st.sampled_from([0, 60, 330, -300, 825, -720]).map(
    lambda minutes: dt.timezone(dt.timedelta(minutes=minutes))
)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda digits: Decimal(digits).scaleb(-scale, _EXACT))


trees = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=6,
)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "short": texts,
    "flag": st.booleans(),
    "small": st.integers(-(2**15), 2**15 - 1),
    "middle": st.integers(-(2**31), 2**31 - 1),
    "money": decimals(20, 4),
    "tiny": decimals(38, 12),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "single": st.floats(allow_nan=False, allow_infinity=False, width=32),
    "day": st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)),
    "clock": st.times(),
    "local": moments,
    "moment": st.builds(lambda moment, zone: moment.replace(tzinfo=zone), moments, offsets),
    "tree": trees.map(lambda tree: json.dumps(tree, ensure_ascii=False)),
    "uid": st.uuids(),
    "raw": st.binary(max_size=12),
}
rows_of_values = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), max_size=12
)


def ordered(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The values of a row in the order of the columns, whatever order they were drawn in."""
    return [(name, row[name]) for name in VALUES]


def spelled(value: Any) -> str:
    """A value as a file spells it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_csv(rows: Sequence[Mapping[str, Any]], *, delimiter: str, quote: str, newline: str) -> bytes:
    """The rows as CSV: NULL is nothing at all, every value stands in quotes."""
    lines = [delimiter.join(f"{quote}{name}{quote}" for name in TYPES)]
    for number, row in enumerate(rows):
        cells = [str(number)]
        for value in (row[name] for name in VALUES):
            inner = "" if value is None else spelled(value).replace(quote, quote * 2)
            cells.append("" if value is None else f"{quote}{inner}{quote}")
        lines.append(delimiter.join(cells))
    return (newline.join(lines) + newline).encode()


def in_postgres(name: str, value: Any) -> Any:
    """A value as asyncpg gives it back."""
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC)
    if name == "tree" and value is not None:
        return json.loads(value)
    return value


def in_sqlite(name: str, value: Any) -> Any:
    """A value as it is kept in SQLite."""
    kinds: Mapping[type, Callable[[Any], Any]] = {
        bool: int,
        Decimal: lambda number: format(_EXACT.plus(number).quantize(_quantum(name), context=_EXACT), "f"),
        dt.time: lambda clock: clock.isoformat("microseconds"),
        dt.datetime: _moment_text,
        dt.date: lambda day: day.isoformat(),
        UUID: str,
    }
    if name == "tree" and value is not None:
        return value
    return kinds.get(type(value), lambda same: same)(value)


def _quantum(name: str) -> Decimal:
    return Decimal("0.0001") if name == "money" else Decimal("0.000000000001")


def _moment_text(moment: dt.datetime) -> str:
    zone = "Z" if moment.tzinfo else ""
    plain = moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return plain.isoformat(" ", "microseconds") + zone


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_after=10_000))
    yield executor
    await executor.close()


@dataclass(frozen=True)
class Case:
    """Rows, how the file spells them, and how they are written."""

    rows: list[dict[str, Any]]
    delimiter: str
    quote: str
    newline: str
    mode: Any


cases = st.builds(
    Case,
    rows=rows_of_values,
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    newline=st.sampled_from(["\n", "\r\n"]),
    mode=st.sampled_from(["append", "upsert"]),
)
few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def loaded(jobs: Jobs, executor: Executor, case: Case) -> list[tuple[Any, ...]]:
    """Load the rows into an empty table and read them back."""
    await jobs.table.execute(f"DELETE FROM {TABLE}")
    content = as_csv(case.rows, delimiter=case.delimiter, quote=case.quote, newline=case.newline)
    source = {"delimiter": case.delimiter, "quote": case.quote}
    outcome = await succeeded(executor, jobs.job(content, source=source, mode=case.mode))
    assert outcome.counts.written == len(case.rows)
    return await jobs.table.rows()


@given(case=cases)
@few
async def test_sqlite_gets_the_values_that_were_written(
    case: Case, executor: Executor, tmp_path: Path
) -> None:
    jobs = Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path, TYPES, fence=_next_fence())
    if not (tmp_path / "warehouse.db").exists():
        await jobs.table.create(columns_of(TYPES))
    found = await loaded(jobs, executor, case)
    expected = [
        (number, *(in_sqlite(name, value) for name, value in ordered(row)))
        for number, row in enumerate(case.rows)
    ]
    assert found == expected


@pytest.mark.postgres
@pytest.mark.parametrize("encoder", ["binary", "text"])
@given(case=cases)
@few
async def test_postgresql_gets_the_values_that_were_written(
    case: Case,
    encoder: str,
    executor: Executor,
    tmp_path: Path,
    postgres_database: Dsn,
) -> None:
    jobs = Jobs(PostgresTable(postgres_database), tmp_path, TYPES, fence=_next_fence())
    if not await jobs.table.rows(f"SELECT 1 FROM pg_class WHERE relname = '{TABLE}'"):
        await jobs.table.create(columns_of(TYPES))
        if encoder == "text":  # a domain is on no allow-list
            await jobs.table.execute("CREATE DOMAIN anything AS text")
            await jobs.table.execute(f"ALTER TABLE {TABLE} ALTER COLUMN text TYPE anything")
    found = await loaded(jobs, executor, case)
    names = list(TYPES)
    given_back = [
        tuple(
            json.loads(value) if names[at] == "tree" and value is not None else value
            for at, value in enumerate(row)
        )
        for row in found
    ]
    expected = [
        (number, *(in_postgres(name, value) for name, value in ordered(row)))
        for number, row in enumerate(case.rows)
    ]
    assert given_back == expected


_fences = iter(range(0, 10**9, 10))


def _next_fence() -> int:
    return next(_fences)
