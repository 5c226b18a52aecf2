from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.etl_runs.scene import Scene, database_at, sqlite_url
from tests.servers.postgres import Dsn


@pytest.fixture
async def sqlite_scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """The scene with its database in a file."""
    database = await database_at(sqlite_url(tmp_path))
    yield Scene(database, tmp_path)
    await database.close()


@pytest.fixture
async def postgresql_scene(postgres_database: Dsn, tmp_path: Path) -> AsyncIterator[Scene]:
    """The scene with its database on a server."""
    database = await database_at(postgres_database.url)
    yield Scene(database, tmp_path)
    await database.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def scene(request: pytest.FixtureRequest) -> Scene:
    """The scene on either database."""
    found: Scene = request.getfixturevalue(f"{request.param}_scene")
    return found
