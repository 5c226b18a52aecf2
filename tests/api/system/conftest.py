import asyncio
import io
import logging
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from services.system.app import PREFIX, build_app
from services.system.bootstrap import prepare
from services.system.settings import SystemSettings
from shared.db import migrations
from shared.http.app import build_root
from shared.http.server import serving
from shared.observe import logs

from .driver import System, Tenant


def settings_in(var: Path) -> SystemSettings:
    return SystemSettings(
        var=var, embedded=True, sqlite_root=var / "sqlite", outbound_allow_loopback=True, port=0
    )


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of System after its first start, to be copied."""
    var = tmp_path_factory.mktemp("system") / "var"
    var.mkdir()
    settings = settings_in(var)
    migrations.upgrade(settings.database_url, "system")
    asyncio.run(prepare(settings))
    return var


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, down to debugging, as the service itself would write it."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    logs.configure("system", level="DEBUG", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
async def system(prepared: Path, tmp_path: Path, log: io.StringIO) -> AsyncIterator[System]:
    shutil.copytree(prepared, tmp_path / "var")
    settings = settings_in(tmp_path / "var")
    async with (
        serving(build_root(build_app(settings))) as (host, port),
        aiohttp.ClientSession() as http,
    ):
        yield System(settings, f"http://{host}:{port}{PREFIX}", http, log)


@pytest.fixture
async def one(system: System) -> Tenant:
    return await system.new_tenant("one")


@pytest.fixture
async def two(system: System) -> Tenant:
    return await system.new_tenant("two")
