"""`python -m services.migrate`: the one-shot that brings all databases to the newest schema."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from shared.db import migrations
from tests.servers.private import free_port

ROOT = Path(__file__).parents[3]
SECONDS = 60


async def begun(**settings: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PG"))}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.migrate", cwd=ROOT, env=kept | settings, stderr=-1
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    _, printed = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode is not None
    return process.returncode, printed.decode()


def revision(file: Path, service: str) -> str:
    with closing(sqlite3.connect(file)) as reader:
        found: str = reader.execute(f"SELECT version_num FROM alembic_version_{service}").fetchone()[0]
        return found


async def test_it_migrates_what_is_given_and_may_be_run_again(tmp_path: Path) -> None:
    given = tmp_path / "url"
    given.write_text(f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}\n")
    settings = {
        "PENSTOCK_SYSTEM_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'system.db'}",
        "PENSTOCK_ETL_DATABASE_URL_FILE": str(given),
    }
    for _ in range(2):
        assert (await ended(await begun(**settings)))[0] == 0
        for service in ("system", "etl"):
            assert revision(tmp_path / f"{service}.db", service) == migrations.head(service)
    assert not (tmp_path / "meta.db").exists()


async def test_without_a_database_it_says_which_settings_there_are() -> None:
    code, printed = await ended(await begun())
    (line,) = printed.splitlines()
    assert (code, json.loads(line)["code"]) == (1, "settings_invalid")
    assert "PENSTOCK_META_DATABASE_URL" in line


async def test_a_signal_ends_the_waiting_at_once() -> None:
    process = await begun(
        PENSTOCK_META_DATABASE_URL=f"postgresql+asyncpg://a:CANARY@127.0.0.1:{free_port()}/m"
    )
    assert process.stderr is not None
    line = await asyncio.wait_for(process.stderr.readline(), SECONDS)
    assert json.loads(line)["event"] == "waiting_for_database"
    process.send_signal(signal.SIGTERM)
    code, printed = await ended(process)
    assert code == 1
    assert "CANARY" not in printed + line.decode()
    assert "Traceback" not in printed
