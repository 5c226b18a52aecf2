"""The migrations make what the models say, on both of our databases."""

import asyncio
from pathlib import Path

import pytest

from shared.db import migrations
from tests.servers.postgres import Dsn


def test_migrations_and_models_agree_on_sqlite(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'meta.db'}"
    migrations.upgrade(url, "meta")
    assert migrations.differences(url, "meta") == []


@pytest.mark.postgres
async def test_migrations_and_models_agree_on_postgresql(postgres_database: Dsn) -> None:
    await asyncio.to_thread(migrations.upgrade, postgres_database.url, "meta")
    assert await asyncio.to_thread(migrations.differences, postgres_database.url, "meta") == []
