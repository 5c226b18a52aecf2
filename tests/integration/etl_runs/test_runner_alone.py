"""`python -m services.etl.runner`: a runner in a process of its own, with health and metrics and no API."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.servers.private import free_port

ROOT = Path(__file__).parents[3]
SECONDS = 60


@asynccontextmanager
async def begun(var: Path, port: int, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PG"))}
    ours = {
        "PENSTOCK_VAR": str(var),
        "PENSTOCK_PORT": str(port),
        "PENSTOCK_ETL_CLIENT_SECRET": "CANARY-secret",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.etl.runner", cwd=ROOT, env=kept | ours | settings, stderr=-1
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        assert process.stderr is not None
        await process.stderr.read()
        await process.wait()


async def until(process: asyncio.subprocess.Process, event: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(SECONDS):
        while True:
            line = await process.stderr.readline()
            assert line, f"it ended before {event}"
            if json.loads(line)["event"] == event:
                return


async def test_it_tells_of_itself_and_has_no_api(tmp_path: Path) -> None:
    port = free_port()
    async with begun(tmp_path / "var", port) as process, aiohttp.ClientSession() as http:
        await until(process, "broker_reached")
        url = f"http://127.0.0.1:{port}"
        async with http.get(f"{url}/health/ready") as ready:
            assert (ready.status, await ready.json()) == (
                200,
                {"status": "ok", "services": ["runner"], "away": []},
            )
        async with http.get(f"{url}/metrics") as metrics:
            assert 'penstock_reachable{service="runner",what="bus"} 1.0' in await metrics.text()
        async with http.get(f"{url}/api/etl/v1/tasks") as answer:
            assert answer.status == 404
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), SECONDS) == 0


async def test_a_signal_ends_it_at_once_while_it_waits(tmp_path: Path) -> None:
    nowhere = f"postgresql+asyncpg://a:CANARY@127.0.0.1:{free_port()}/etl"
    async with begun(tmp_path / "var", free_port(), PENSTOCK_ETL_DATABASE_URL=nowhere) as process:
        await until(process, "waiting_for_database")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 5) == 0
    assert not (tmp_path / "var").exists()


async def test_it_logs_no_more_than_it_was_told_to(tmp_path: Path) -> None:
    nowhere = f"postgresql+asyncpg://a:CANARY@127.0.0.1:{free_port()}/etl"
    settings = {"PENSTOCK_ETL_DATABASE_URL": nowhere, "PENSTOCK_LOG_LEVEL": "WARNING"}
    async with begun(tmp_path / "var", free_port(), **settings) as process:
        assert process.stderr is not None
        first = json.loads(await asyncio.wait_for(process.stderr.readline(), SECONDS))
        assert (first["event"], first["level"]) == ("waiting_for_database", "warning")
