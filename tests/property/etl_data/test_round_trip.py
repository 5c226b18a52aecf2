"""Whatever typed rows files hold, in whichever form, a load brings the same values into the table."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.pipeline.job import Job, JobFile, JobSource
from services.etl.runner.executor import Executor, ExecutorLimits
from shared.identifiers import uuid7
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    PostgresTable,
    SqliteTable,
    columns_of,
    succeeded,
)
from tests.property.etl_data.spellings import (
    EXACT,
    TYPES,
    VALUES,
    Csv,
    Json,
    Parquet,
    Row,
    forms,
    rows_of_values,
    without_line_ends,
)
from tests.servers.postgres import Dsn

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ordered(row: Row) -> list[tuple[str, Any]]:
    """The values of a row in the order of the columns, whatever order they were drawn in."""
    return [(name, row[name]) for name in VALUES]


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
        Decimal: lambda number: format(EXACT.plus(number).quantize(_quantum(name), context=EXACT), "f"),
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
    """Rows, how files spell them, and how they are written."""

    rows: list[dict[str, Any]]
    form: Csv | Json | Parquet
    mode: Any


def _case(rows: list[dict[str, Any]], form: Csv | Json | Parquet, mode: str) -> Case:
    if isinstance(form, Csv) and form.lines == "single":
        rows = [without_line_ends(row) for row in rows]
    return Case(rows, form, mode)


cases = st.builds(_case, rows_of_values, forms, st.sampled_from(["append", "upsert", "replace"]))
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def job_of(jobs: Jobs, case: Case) -> Job:
    """The job that loads the files of a case."""
    written = case.form.write(case.rows)
    files = []
    for at, content in enumerate(written.files):
        path = jobs.folder / f"{uuid7().hex}-{at}"
        path.write_bytes(content)
        files.append(JobFile(name=f"part-{at}", path=str(path), size=len(content)))
    source = JobSource(loader=written.loader, params={"pattern": "part-*", **written.params}, files=files)
    return jobs.job("", mode=case.mode).model_copy(update={"source": source})


async def loaded(jobs: Jobs, executor: Executor, case: Case) -> list[tuple[Any, ...]]:
    """Load the rows into an empty table and read them back."""
    await jobs.table.execute(f"DELETE FROM {TABLE}")
    outcome = await succeeded(executor, job_of(jobs, case))
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
