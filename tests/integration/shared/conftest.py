"""The database in both dialects, each test on a fresh one."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.identifiers import TenantId, uuid7
from tests.integration.shared import shop


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/shop.db"
    dsn = request.getfixturevalue("postgres_database")
    address: str = dsn.url
    return address


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A database with the tables of the shop."""
    database = Database(url)
    await shop.create_tables(database)
    yield database
    await database.close()


@pytest.fixture
def scope() -> TenantScope:
    return TenantScope(TenantId(uuid7()))


@pytest.fixture
def unused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
