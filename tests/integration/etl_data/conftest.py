"""Fixtures of the data path: an executor with one warm child, and a table in each kind of target."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from services.etl.runner.executor import Executor, ExecutorLimits
from tests.integration.etl_data.apis import Client
from tests.integration.etl_data.jobs import POLICY, Jobs, MariaTable, PostgresTable, SqliteTable, columns_of
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn
from tests.servers.web_api import WebApi, serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def warm() -> AsyncIterator[Executor]:
    """An executor whose child serves all tests of a module."""
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_after=1000))
    await executor.start()
    yield executor
    await executor.close()


@pytest.fixture(scope="module")
def served() -> Iterator[WebApi]:
    """An API of this machine, which answers as a test says."""
    with serving() as api:
        yield api


@pytest.fixture
def client(served: WebApi, tmp_path: Path) -> Client:
    """A client of the API, which nobody has asked yet."""
    served.asked.clear()
    return Client(served, tmp_path)


KINDS = [
    "sqlite",
    pytest.param("postgresql", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mariadb),
]


@pytest.fixture(params=KINDS)
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Jobs:
    """Jobs for each kind of target in turn."""
    if request.param == "sqlite":
        return Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    if request.param == "mysql":
        return Jobs(MariaTable(request.getfixturevalue("mariadb_database")), tmp_path)
    dsn: Dsn = request.getfixturevalue("postgres_database")
    return Jobs(PostgresTable(dsn), tmp_path)


@pytest.fixture
async def goods(jobs: Jobs) -> Jobs:
    """Jobs whose table is there, empty, with `id` as its key."""
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@pytest.fixture
async def in_sqlite(tmp_path: Path) -> Jobs:
    """Jobs for a table in an SQLite file."""
    jobs = Jobs(SqliteTable(tmp_path / "warehouse.db"), tmp_path)
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@pytest.fixture
async def in_postgres(postgres_database: Dsn, tmp_path: Path) -> Jobs:
    """Jobs for a table in PostgreSQL."""
    jobs = Jobs(PostgresTable(postgres_database), tmp_path)
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@pytest.fixture
async def in_mysql(mariadb_database: MariaDsn, tmp_path: Path) -> Jobs:
    """Jobs for a table in MariaDB."""
    jobs = Jobs(MariaTable(mariadb_database), tmp_path)
    await jobs.table.create(columns_of(jobs.types, required=["id"]))
    return jobs


@pytest.fixture(params=["LOAD DATA", "INSERT"])
async def transport(request: pytest.FixtureRequest, mariadb_server: MariaDsn) -> AsyncIterator[str]:
    """Both ways in which rows come into MariaDB: servers may be set to refuse the first one."""
    if request.param == "LOAD DATA":
        yield request.param
        return
    await mariadb_server.execute("SET GLOBAL local_infile = 0")
    yield request.param
    await mariadb_server.execute("SET GLOBAL local_infile = 1")


@pytest.fixture(
    params=[
        pytest.param("in_postgres", marks=pytest.mark.postgres),
        pytest.param("in_mysql", marks=pytest.mark.mariadb),
    ]
)
def on_server(request: pytest.FixtureRequest) -> Jobs:
    """Jobs for a table in each kind of server."""
    jobs: Jobs = request.getfixturevalue(request.param)
    return jobs
