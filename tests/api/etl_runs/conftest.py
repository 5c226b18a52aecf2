import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.db import migrations
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database of ETL, to be copied."""
    path = tmp_path_factory.mktemp("etl") / "etl.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}", "etl")
    return path


@pytest.fixture
def database_url(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "etl.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    """The service without a runner: runs stay queued."""
    async with houses.running(tmp_path, database_url) as house:
        yield house


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    """The service with a runner."""
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


@pytest.fixture
async def task(house: House) -> Any:
    """A task that can run."""
    return await runnable_task(house)


async def runnable_task(house: House, content: bytes = houses.CSV, **changes: Any) -> Any:
    """A task whose table is published."""
    table, file = await house.draft(), await house.file(content)
    await house.publish(table)
    body = {"name": f"Load {table['id']}", **house.pipeline(table, file, **changes)}
    return (await house.call("POST", "/tasks", body=body, expect=201)).body
