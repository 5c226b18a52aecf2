"""A service that is starting: it listens, says what is missing, and then is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from shared.http.opening import Wanted, opened
from shared.http.server import AddressInUse
from tests.servers.private import free_port

PREFIX = "/api/sample/v1"


@dataclass
class Start:
    """A service whose start the test holds in its hand."""

    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = field(default_factory=free_port)

    async def prepare(self, wanted: Wanted) -> web.Application:
        wanted.tell("its database")
        await self.may_go_on.wait()
        application = web.Application()
        application.router.add_get(f"{PREFIX}/things", _things)
        return application

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @asynccontextmanager
    async def under_way(self) -> AsyncIterator[asyncio.Task[None]]:
        """The task that opens the service; cancelled at the end."""
        ended = asyncio.Event()

        async def serve() -> None:
            async with opened("sample", self.prepare, host="127.0.0.1", port=self.port, prefix=PREFIX):
                await ended.wait()

        task = asyncio.create_task(serve())
        try:
            yield task
        finally:
            ended.set()
            task.cancel()
            await asyncio.wait({task})


async def _things(_: web.Request) -> web.Response:
    return web.json_response([])


async def answered(http: aiohttp.ClientSession, url: str, status: int) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status == status:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/health/live", f"{PREFIX}/health/live"])
async def test_it_is_alive_from_the_beginning(path: str) -> None:
    start = Start()
    async with aiohttp.ClientSession() as http, start.under_way():
        await answered(http, start.url(path), 200)


@pytest.mark.parametrize("path", ["/health/ready", f"{PREFIX}/health/ready", f"{PREFIX}/things", "/metrics"])
async def test_everything_else_names_what_is_missing_and_asks_for_another_try(path: str) -> None:
    start = Start()
    async with aiohttp.ClientSession() as http, start.under_way():
        await answered(http, start.url(path), 503)
        async with http.post(start.url(path)) as answer:
            problem = await answer.json(content_type="application/problem+json")
        assert (answer.status, problem["code"]) == (503, "starting")
        assert "its database" in problem["detail"]
        assert int(answer.headers["Retry-After"]) > 0


async def test_it_opens_on_the_same_address_without_refusing_anybody() -> None:
    start = Start()
    async with aiohttp.ClientSession() as http, start.under_way():
        await answered(http, start.url("/health/ready"), 503)
        start.may_go_on.set()
        async with asyncio.timeout(5):
            while True:  # no connection error is caught here
                async with http.get(start.url(f"{PREFIX}/things")) as answer:
                    if answer.status == 200:
                        break


async def test_a_start_that_is_given_up_frees_the_address() -> None:
    start = Start()
    async with aiohttp.ClientSession() as http:
        async with start.under_way() as task:
            await answered(http, start.url("/health/live"), 200)
        assert task.cancelled()
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(start.url("/health/live"))


async def test_an_address_that_is_taken_is_said_at_once() -> None:
    start = Start()
    async with aiohttp.ClientSession() as http, start.under_way():
        await answered(http, start.url("/health/live"), 200)
        with pytest.raises(AddressInUse):
            async with opened("sample", start.prepare, host="127.0.0.1", port=start.port):
                pytest.fail("it opened")


async def test_probes_fill_no_log_while_it_waits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    start = Start()
    async with aiohttp.ClientSession() as http, start.under_way():
        for path in ("/health/live", "/health/ready", f"{PREFIX}/health/ready", "/metrics"):
            await answered(http, start.url(path), 200 if path.endswith("live") else 503)
        assert "request" not in caplog.text
        await answered(http, start.url(f"{PREFIX}/things"), 503)
        assert "request_failed" in caplog.text
