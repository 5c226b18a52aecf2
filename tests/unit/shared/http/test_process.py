"""A service as a process: it ends when it is asked to, whoever listens."""

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp

from tests.unit.shared.http.conftest import House

ROOT = Path(__file__).parents[4]


async def test_sigterm_ends_a_process_with_open_streams_soon() -> None:
    house, loop = House(host="127.0.0.1"), asyncio.get_running_loop()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.unit.shared.http.standalone", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(house.key.to_pem().encode())
        process.stdin.close()
        async with asyncio.timeout(30), aiohttp.ClientSession() as client:
            house.port = int(await process.stdout.readline())
            streams = [await client.get(house.url("/events"), headers=house.headers()) for _ in range(5)]
            started = loop.time()
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
            assert loop.time() - started < 5.0  # the streams by themselves would last until the tokens end
            for response in streams:
                assert await response.read() == b"retry: 2000\n\n"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
