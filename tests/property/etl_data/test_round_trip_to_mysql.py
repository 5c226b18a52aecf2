"""Whatever typed rows files hold, a load brings the same values into MariaDB, too."""

import datetime as dt
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import given

from services.etl.runner.executor import Executor, ExecutorLimits
from tests.integration.etl_data.jobs import POLICY, TABLE, Jobs, MariaTable, columns_of
from tests.property.etl_data.spellings import TYPES
from tests.property.etl_data.test_round_trip import Case, cases, few, loaded, ordered
from tests.servers.mariadb import MariaDsn

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.mariadb]

_YEARS = 1000
"""Earlier ones are rejected, as the server does not promise to keep them; so are negative zeros."""


def keepable(value: Any) -> Any:
    """The value, or one near it that the server keeps."""
    if isinstance(value, dt.date) and value.year <= _YEARS:
        return value.replace(year=value.year + _YEARS, day=min(value.day, 28))
    return 0.0 if isinstance(value, float) and value == 0 else value


def kept(name: str, value: Any) -> Any:
    """A value as the driver gives it back."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, dt.time):
        return dt.timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
        )
    if isinstance(value, Decimal) or name == "flag":
        return value if value is None or isinstance(value, Decimal) else int(value)
    return str(value) if isinstance(value, UUID) else value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_after=10_000))
    yield executor
    await executor.close()


@pytest_asyncio.fixture(params=["LOAD DATA", "INSERT"], loop_scope="module")
async def transport(request: pytest.FixtureRequest, mariadb_server: MariaDsn) -> AsyncIterator[str]:
    """How rows get to the server: as it takes them, or by statements where it takes no stream."""
    if request.param == "LOAD DATA":
        yield request.param
        return
    await mariadb_server.execute("SET GLOBAL local_infile = 0")
    yield request.param
    await mariadb_server.execute("SET GLOBAL local_infile = 1")


@pytest.mark.usefixtures("transport")
@given(case=cases)
@few
async def test_mariadb_gets_the_values_that_were_written(
    case: Case, executor: Executor, tmp_path: Path, mariadb_database: MariaDsn
) -> None:
    jobs = Jobs(MariaTable(mariadb_database), tmp_path, TYPES, fence=next(_fences))
    if not await jobs.table.rows(f"SHOW TABLES LIKE '{TABLE}'"):
        await jobs.table.create(columns_of(TYPES, required=["id"]))
    rows: list[dict[str, Any]] = [
        {name: keepable(value) for name, value in ordered(row)} for row in case.rows
    ]
    found = await loaded(jobs, executor, Case(rows, case.form, case.mode))
    assert found == [
        (number, *(kept(name, value) for name, value in ordered(row))) for number, row in enumerate(rows)
    ]


_fences = iter(range(0, 10**9, 10))
