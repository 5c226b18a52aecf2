"""Streams of events: resumed, kept alive, and ended in time."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.http import sse
from shared.http.app import build_app, build_root
from shared.http.server import serving
from shared.http.services import Services
from shared.security.tokens import LocalKeys, TokenVerifier
from tests.unit.shared.http import sample
from tests.unit.shared.http.conftest import PREFIX, House, places, problem_of

HEADERS = {"Accept": "text/event-stream"}


def parsed(text: str) -> list[dict[str, Any]]:
    """The events of a stream, as a browser reads them."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


async def test_events_come_numbered_and_the_stream_ends_with_them(house: House) -> None:
    house.memory.events = [sse.Event(7, "run.started", {"rows": 0}), sse.Event(8, "run.done", {"rows": 5})]
    answer = await house.call("GET", "/events")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert parsed(answer.text) == [
        {"id": "7", "event": "run.started", "data": {"rows": 0}},
        {"id": "8", "event": "run.done", "data": {"rows": 5}},
    ]
    async with asyncio.timeout(5):
        await house.memory.closed.wait()


async def test_a_stream_goes_on_behind_the_last_event_that_was_seen(house: House) -> None:
    house.memory.events = [sse.Event(number, "tick", {}) for number in range(1, 6)]
    answer = await house.call("GET", "/events", headers={"Last-Event-ID": "3"})
    assert [event["id"] for event in parsed(answer.text)] == ["4", "5"]
    assert house.memory.resumed == [3]


@pytest.mark.parametrize("value", ["x", "-1", "1" * 30, "1\t2", "٣"])
async def test_a_last_event_that_is_no_number_is_422(house: House, value: str) -> None:
    found = problem_of(
        await house.call("GET", "/events", headers={"Last-Event-ID": value}), 422, "request_invalid"
    )
    assert places(found) == [(["header", "Last-Event-ID"], "header_invalid")]


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("text/event-stream", True),
        ("application/json;q=0.5, Text/Event-Stream ; charset=utf-8; q=0.001", True),
        ("text/event-stream;q=0", False),
        ("application/json, text/event-stream; Q=0.000", False),
        ("text/event-stream-2", False),
        ("*/*", False),
        ("", False),
    ],
)
async def test_what_can_be_both_is_a_stream_only_for_who_accepts_one(
    house: House, accept: str, streams: bool
) -> None:
    answer = await house.call("GET", "/history", headers={"Accept": accept})
    assert (answer.headers["Content-Type"].partition(";")[0] == "text/event-stream") is streams


async def test_a_caller_who_may_not_listen_gets_a_problem_and_no_stream(house: House) -> None:
    problem_of(await house.call("GET", "/events", headers=house.headers("task:read")), 403, "scope_missing")
    assert not house.memory.closed.is_set()


async def test_silence_is_filled_with_comments(house: House) -> None:
    house.memory.endless, house.memory.heartbeat = True, 0.02
    async with house.http.get(house.url("/events"), headers=house.headers()) as response:
        async with asyncio.timeout(5):
            text = await response.content.readuntil(b": still here\n\n: still here\n\n")
    assert text.startswith(b"retry: 2000\n\n")


async def test_an_error_in_the_middle_becomes_the_last_event(house: House) -> None:
    house.memory.events = [
        sse.Event(1, "tick", {}),
        sample.TaskBusy(task="nightly"),
        sse.Event(2, "tick", {}),
    ]
    async with asyncio.timeout(5):
        events = parsed((await house.call("GET", "/events")).text)
    assert [event["event"] for event in events] == ["tick", "problem"]
    assert (events[1]["data"]["code"], events[1]["data"]["status"]) == ("task_busy", 409)


async def test_a_stream_ends_when_its_token_does(house: House) -> None:
    house.memory.endless = True
    headers = house.headers(lifetime=timedelta(seconds=2))
    async with asyncio.timeout(5), house.http.get(house.url("/events"), headers=headers) as response:
        assert response.status == 200
        await response.read()
        await house.memory.closed.wait()


async def test_a_stream_ends_when_its_session_is_revoked(house: House) -> None:
    house.memory.endless = True
    async with asyncio.timeout(5), house.http.get(house.url("/events"), headers=house.headers()) as response:
        house.revocations.add(["session-1"])
        await response.read()
        await house.memory.closed.wait()


async def test_the_source_is_closed_when_the_client_goes(house: House) -> None:
    house.memory.endless, house.memory.heartbeat = True, 0.02
    async with house.http.get(house.url("/events"), headers=house.headers()) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    async with asyncio.timeout(5):
        await house.memory.closed.wait()


async def test_a_client_that_does_not_read_is_dropped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "WRITE_SECONDS", 0.2)
    house.memory.events = [sse.Event(number, "tick", {"text": "x" * 100_000}) for number in range(1, 500)]
    reader, writer = await asyncio.open_connection(house.host, house.port, limit=1024)
    writer.write(
        f"GET {PREFIX}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n\r\n".encode()
    )
    await writer.drain()
    async with asyncio.timeout(10):
        await house.memory.closed.wait()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(60_000_000)
    writer.close()


async def test_the_service_stops_at_once_with_streams_open() -> None:
    house = House()
    house.memory.endless = True
    services = Services()
    services.add(sample.Memory, house.memory)
    verifier = TokenVerifier(LocalKeys(house.key))
    app = build_app(
        "sample", prefix=PREFIX, features=[sample], services=services, verifier=verifier, version="1"
    )
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as client:
        async with serving(build_root(app)) as (house.host, house.port):
            streams = [
                await client.get(house.url("/events"), headers=house.headers(session_id=str(number)))
                for number in range(20)
            ]
            started = loop.time()
        assert loop.time() - started < 1.0
        for response in streams:
            assert await response.read() == b"retry: 2000\n\n"
    assert house.memory.closed.is_set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(number=st.integers(0, 2**62), data=st.dictionaries(st.text(), JSON, max_size=4))
def test_whatever_is_in_an_event_arrives_as_one_event(number: int, data: dict[str, Any]) -> None:
    [event] = parsed(sse.Event(number, "tick", data).encode().decode())
    assert event == {"id": str(number), "event": "tick", "data": data}


@pytest.mark.parametrize("kind", ["", "a\nb", "a: b", "é", "x" * 65])
def test_a_type_that_would_break_the_stream_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="type of an event"):
        sse.Event(1, kind, {}).encode()
