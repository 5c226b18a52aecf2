import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.db import migrations
from tests.api.meta import house as houses
from tests.api.meta.house import House
from tests.contract.meta.targets import SqliteTarget
from tests.servers.postgres import Dsn


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database of Meta, to be copied."""
    path = tmp_path_factory.mktemp("meta") / "meta.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}", "meta")
    return path


@pytest.fixture(params=["sqlite"])
async def database_url(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> str:
    """Where Meta keeps its data; `on_both_stores` runs a test on PostgreSQL as well."""
    if request.param == "sqlite":
        shutil.copy(migrated, tmp_path / "meta.db")
        return f"sqlite+aiosqlite:///{tmp_path / 'meta.db'}"
    dsn: Dsn = request.getfixturevalue("postgres_server")
    database = await dsn.create_database()
    await asyncio.to_thread(migrations.upgrade, database.url, "meta")
    return database.url


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url) as house:
        yield house


@pytest.fixture
def shop(tmp_path: Path) -> SqliteTarget:
    """An SQLite file of the tenant, where resources of the house look for it."""
    return SqliteTarget(tmp_path / "sqlite")
