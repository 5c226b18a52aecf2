import asyncio
from pathlib import Path

import pytest

from services.system.models import Base
from shared.db import migrations
from tests.servers.postgres import Dsn


def test_a_migrated_sqlite_database_is_what_the_models_say(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'system.db'}"
    migrations.upgrade(url, "system")
    assert migrations.differences(url, "system") == []
    assert "resource" in Base.metadata.tables


@pytest.mark.postgres
async def test_a_migrated_postgresql_database_is_what_the_models_say(postgres_database: Dsn) -> None:
    await asyncio.to_thread(migrations.upgrade, postgres_database.url, "system")
    assert await asyncio.to_thread(migrations.differences, postgres_database.url, "system") == []
