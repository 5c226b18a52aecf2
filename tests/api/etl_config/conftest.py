import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.db import migrations
from shared.identifiers import TenantId, uuid7
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
    async with houses.running(tmp_path, database_url) as house:
        yield house


@pytest.fixture
def stranger() -> TenantId:
    """A second tenant."""
    return TenantId(uuid7())
