"""Requests to places that tenants name: where they may not lead, and what they take along."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from shared.engines.errors import ConnectFailed, ConnectFailedForNow
from shared.http import outbound
from shared.http.outbound import Outbound
from shared.security.guard import OutboundPolicy

OPEN = OutboundPolicy(allow_loopback=True)


async def _answer(request: web.Request) -> web.StreamResponse:
    if request.path == "/circle":
        return web.Response(status=302, headers={"Location": "/circle"})
    if "to" in request.query:
        return web.Response(status=302, headers={"Location": request.query["to"]})
    if "cut" in request.query:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return answer
    return web.json_response({"authorization": request.headers.get("Authorization")})


async def _served() -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest_asyncio.fixture
async def place() -> AsyncIterator[str]:
    runner, url = await _served()
    yield url
    await runner.cleanup()


async def asked(url: str, policy: OutboundPolicy = OPEN) -> object:
    async with (
        Outbound(policy, seconds=5) as outbound,
        outbound.send("GET", url, headers={"Authorization": "Bearer secret"}) as answer,
    ):
        return (await answer.json())["authorization"]


async def test_an_address_that_the_policy_forbids_is_not_asked(place: str) -> None:
    with pytest.raises(ConnectFailed) as refused:
        await asked(place, OutboundPolicy())
    assert refused.value.step == "resolve"


async def test_a_redirection_to_the_metadata_service_is_not_followed(place: str) -> None:
    with pytest.raises(ConnectFailed) as refused:
        await asked(f"{place}/?to=http://169.254.169.254/latest")
    assert refused.value.step == "resolve"


async def test_credentials_go_along_within_an_origin_alone(place: str) -> None:
    runner, other = await _served()
    try:
        assert await asked(f"{place}/?to=/next") == "Bearer secret"
        assert await asked(f"{place}/?to={other}/next") is None
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:99999/", "http://[::broken/", "file:///etc/passwd", "http://u:p@127.0.0.1/"],
)
async def test_a_redirection_to_no_plain_address_is_refused(place: str, location: str) -> None:
    with pytest.raises(ConnectFailed, match="no plain HTTP address"):
        await asked(f"{place}/?to={location}")


async def test_a_circle_of_redirections_ends(place: str) -> None:
    with pytest.raises(ConnectFailed, match="more than 5 times"):
        await asked(f"{place}/circle")


async def test_an_answer_that_breaks_off_may_be_asked_for_again(place: str) -> None:
    with pytest.raises(ConnectFailedForNow, match="before the answer's end"):
        await asked(f"{place}/?cut=1")


async def test_what_fails_at_the_caller_is_the_callers(place: str) -> None:
    async with Outbound(OPEN, seconds=5) as outbound:
        with pytest.raises(OSError, match="disk full"):
            async with outbound.send("GET", place):
                raise OSError("disk full")


async def test_a_place_that_stops_taking_a_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp's own limits begin when the body is sent."""
    monkeypatch.setattr(outbound, "SLOWEST", 1 << 40)
    held = asyncio.Event()

    async def take_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    server = await asyncio.start_server(take_nothing, "127.0.0.1", 0, limit=1024)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        async with asyncio.timeout(20), Outbound(OutboundPolicy(allow_loopback=True), seconds=0.1) as asked:
            with pytest.raises(ConnectFailedForNow):
                async with asked.send("PUT", url, body=bytes(32 << 20)):
                    pass
    finally:
        held.set()
        server.close()
