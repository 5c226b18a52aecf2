from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.system.settings import SystemSettings
from shared.db import migrations
from shared.db.session import Database


def settings_in(var: Path, **more: object) -> SystemSettings:
    return SystemSettings.model_validate({"var": var, "embedded": True, "sqlite_root": var / "sqlite"} | more)


@pytest.fixture
def settings(tmp_path: Path) -> SystemSettings:
    """Settings of an installation whose database is migrated and empty."""
    var = tmp_path / "var"
    var.mkdir()
    made = settings_in(var)
    migrations.upgrade(made.database_url, "system")
    return made


@pytest.fixture
async def database(settings: SystemSettings) -> AsyncIterator[Database]:
    found = Database(settings.database_url)
    yield found
    await found.close()
