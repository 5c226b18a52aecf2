"""The service as a process: what it loads, its migrations, its start without System."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.db import migrations
from tests.servers.postgres import Dsn

ROOT = Path(__file__).resolve().parents[3]
LOOK = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from services.etl.app import build_app
from services.etl.settings import EtlSettings
from shared.db import migrations
from shared.http.app import build_root
from shared.http.server import serving

async def main(var):
    settings = EtlSettings(var=var, etl_client_secret=SecretStr("x"), system_url="http://127.0.0.1:9")
    migrations_run = asyncio.to_thread(migrations.upgrade, settings.database_url, "etl")
    await migrations_run
    async with serving(build_root(build_app(settings))):
        await asyncio.sleep(0)
    heavy = {"pandas", "pyarrow", "numpy", "pgpq", "duckdb"} & set(sys.modules)
    print("heavy:", sorted(heavy))

asyncio.run(main(Path(sys.argv[1])))
"""


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def test_the_service_never_loads_pandas_or_pyarrow(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )

    assert done.stdout.splitlines()[-1:] == ["heavy: []"], done.stderr


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"


def test_a_migrated_sqlite_database_is_what_the_models_say(url: str) -> None:
    migrations.upgrade(url, "etl")

    assert migrations.differences(url, "etl") == []


@pytest.mark.postgres
async def test_a_migrated_postgresql_database_is_what_the_models_say(postgres_database: Dsn) -> None:
    await asyncio.to_thread(migrations.upgrade, postgres_database.url, "etl")

    assert await asyncio.to_thread(migrations.differences, postgres_database.url, "etl") == []


async def test_the_service_runs_alone_and_ends_on_a_signal(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.etl",
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env=environment(
            PENSTOCK_VAR=str(tmp_path / "var"),
            PENSTOCK_PORT="0",
            PENSTOCK_ETL_CLIENT_SECRET_FILE=str(secret),
            PENSTOCK_SYSTEM_URL="http://127.0.0.1:9",
        ),
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while b'"opened"' not in (line := await process.stderr.readline()):
                assert line, "it ended before it opened"
        process.send_signal(signal.SIGTERM)
        rest, code = await asyncio.gather(process.stderr.read(), asyncio.wait_for(process.wait(), 20))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert code == 0, rest.decode()


def test_a_missing_secret_is_one_clear_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.etl"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(PENSTOCK_VAR=str(tmp_path / "var"), PENSTOCK_PORT="0"),
        check=False,
    )

    assert done.returncode == 1
    assert "PENSTOCK_ETL_CLIENT_SECRET_FILE" in done.stderr
    assert "Traceback" not in done.stderr
