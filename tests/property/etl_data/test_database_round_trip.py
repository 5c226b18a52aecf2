"""Whatever typed rows a table holds, reading it as a source gives the same values."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import given

from services.etl.runner.executor import Executor, ExecutorLimits
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    MariaTable,
    PostgresTable,
    SqliteTable,
    TestTable,
    columns_of,
)
from tests.integration.etl_data.sources import read_table
from tests.property.etl_data.spellings import EXACT, TYPES
from tests.property.etl_data.test_round_trip import Case, cases, few, loaded, ordered
from tests.property.etl_data.test_round_trip_to_mysql import keepable

pytestmark = pytest.mark.asyncio(loop_scope="module")
_fences = iter(range(1, 10**9))
_there: list[TestTable] = []
"""Tables that were made: MariaDB warns of one that is dropped without being there."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_after=10_000))
    yield executor
    await executor.close()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.postgres),
        pytest.param("mysql", marks=pytest.mark.mariadb),
    ]
)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> SqliteTable | PostgresTable | MariaTable:
    """A table in each kind of database in turn."""
    if request.param == "sqlite":
        return SqliteTable(tmp_path / "source.db")
    if request.param == "postgresql":
        return PostgresTable(request.getfixturevalue("postgres_database"))
    return MariaTable(request.getfixturevalue("mariadb_database"))


def as_read(name: str, value: Any) -> Any:
    """A value as a reading gives it."""
    if isinstance(value, Decimal):
        scale = 4 if name == "money" else 12
        return format(EXACT.plus(value).quantize(Decimal(1).scaleb(-scale), context=EXACT), "f")
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC)
    if name == "tree" and value is not None:
        return json.loads(value)
    return str(value) if isinstance(value, UUID) else value


@given(case=cases)
@few
async def test_a_table_gives_the_values_that_it_holds(
    case: Case, executor: Executor, tmp_path: Path, table: SqliteTable | PostgresTable | MariaTable
) -> None:
    jobs = Jobs(table, tmp_path, TYPES, fence=next(_fences))
    if table in _there:
        await table.execute(f"DROP TABLE {TABLE}")
    await table.create(columns_of(TYPES, required=["id"]))
    _there.append(table)
    kept = keepable if isinstance(table, MariaTable) else lambda value: value
    rows: list[dict[str, Any]] = [{name: kept(value) for name, value in ordered(row)} for row in case.rows]
    await loaded(jobs, executor, Case(rows, case.form, case.mode))
    got = read_table(table, TYPES)
    tree = list(TYPES).index("tree")
    found = [(*row[:tree], as_read("tree", row[tree]), *row[tree + 1 :]) for row in got.rows]
    assert got.rejected == []
    assert sorted(found, key=lambda row: row[0]) == [
        (number, *(as_read(name, value) for name, value in ordered(row))) for number, row in enumerate(rows)
    ]
