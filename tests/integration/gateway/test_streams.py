"""What must not wait in the gateway: events, uploads, a service that moved, a renewed connection."""

import asyncio
import time

import pytest

from tests.integration.gateway import backend as backends
from tests.integration.gateway.backend import Backend
from tests.integration.gateway.conftest import skipping_without_nginx
from tests.integration.gateway.wire import answer, ask, request
from tests.servers import names, nginx, private
from tests.servers.nginx import SERVICES, Gateway

EVENTS = "/api/etl/v1/runs/0199f9a2-0000-7000-8000-000000000000/events"
CONTENT = "/api/etl/v1/files/0199f9a2-0000-7000-8000-000000000000/content"
FOLLOWED_SECONDS = 6.0
KNOWS_RESOLVE = (1, 27, 3)


@pytest.mark.parametrize("target", [EVENTS, EVENTS.replace("etl/v1/runs", "meta/v1/sync-logs")])
async def test_an_event_arrives_while_the_stream_is_open(
    gateway: Gateway, backend: Backend, target: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(target, headers={"Accept-Encoding": "gzip"}))
    async with asyncio.timeout(5):
        for event in ("first", "second"):
            backend.events.put_nowait(event)
            assert (await reader.readuntil(f"data: {event}\n\n".encode())).count(b"data:") == 1
        backend.events.put_nowait(None)
        await reader.read()
    writer.close()


async def test_an_upload_reaches_the_service_while_it_is_sent(gateway: Gateway, backend: Backend) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request(CONTENT, method="PUT", headers={"Content-Length": "10"}) + b"12345")
    async with asyncio.timeout(5):
        await backend.arrived.wait()
        writer.write(b"67890")
        assert (await answer(reader)).status == 200
    assert backend.seen[0].body == b"1234567890"
    writer.close()


async def test_a_small_body_waits_until_it_is_complete(gateway: Gateway, backend: Backend) -> None:
    """A slow sender occupies the gateway, which is made for it, and not a service."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request("/api/etl/v1/tasks", method="POST", headers={"Content-Length": "10"}) + b"12345")
    assert (await ask(gateway.port, "/health")).status == 200
    assert not backend.arrived.is_set()
    writer.write(b"67890")
    assert (await answer(reader)).status == 200
    writer.close()


async def test_a_service_that_comes_back_with_another_address_is_found() -> None:
    port = private.free_port()
    with names.running() as dns, skipping_without_nginx():
        dns.point("system.test", "127.0.0.2")
        await _followed(
            dns, "system.test", port, nginx.named(dns.address, dict.fromkeys(SERVICES, f"system.test:{port}"))
        )


async def test_the_upstreams_that_ship_follow_a_service_that_nobody_knew_at_the_start() -> None:
    port = private.free_port()
    with names.running() as dns, skipping_without_nginx():
        if nginx.version() < KNOWS_RESOLVE:
            pytest.skip(f"nginx before {'.'.join(map(str, KNOWS_RESOLVE))} has no `resolve` in an upstream")
        await _followed(dns, "system", port, nginx.shipped(dns.address, port))


async def _followed(dns: names.Names, name: str, port: int, upstreams: str) -> None:
    with nginx.running(upstreams) as gateway:
        for address in ("127.0.0.2", "127.0.0.3"):
            async with backends.serving(address, port):
                dns.point(name, address)
                assert await _found_at(gateway, f"{address}:{port}")
            assert (await ask(gateway.port, "/api/system/v1/me")).status == 503


async def _found_at(gateway: Gateway, address: str) -> bool:
    deadline = time.monotonic() + FOLLOWED_SECONDS
    while time.monotonic() < deadline:
        found = await ask(gateway.port, "/api/system/v1/me")
        if found.status == 200:
            return bool(found.json() == {"at": address})
        await asyncio.sleep(0.1)
    return False


async def test_a_restarted_service_gets_its_next_request_on_a_new_connection() -> None:
    port = private.free_port()
    upstreams = nginx.fixed(dict.fromkeys(SERVICES, f"127.0.0.1:{port}"))
    with skipping_without_nginx(), nginx.running(upstreams) as gateway:
        for _ in range(3):
            async with backends.serving("127.0.0.1", port):
                statuses = [
                    (await ask(gateway.port, "/api/meta/v1/x", method=method)).status
                    for method in ("POST", "GET", "POST", "GET")
                ]
            assert statuses == [200] * 4
