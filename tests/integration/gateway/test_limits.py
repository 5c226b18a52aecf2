"""How much one caller may ask for: the figures that ship."""

import asyncio
import json

from tests.acceptance.process import wait_for
from tests.integration.gateway.backend import Backend
from tests.integration.gateway.wire import ask, request
from tests.servers.nginx import Gateway

MIB = 1024 * 1024
TOKENS_AT_ONCE = 31
STREAMS = 50


async def test_a_body_of_one_mebibyte_passes_and_no_larger_one(gateway: Gateway, backend: Backend) -> None:
    target = "/api/etl/v1/tasks"
    assert (await ask(gateway.port, target, method="POST", body=b"x" * MIB)).status == 200
    assert len(backend.seen[0].body) == MIB
    refused = await ask(gateway.port, target, method="POST", headers={"Content-Length": str(MIB + 1)})
    assert refused.status == 413


async def test_an_upload_may_be_larger(gateway: Gateway, backend: Backend) -> None:
    target = "/api/etl/v1/files/0199f9a2-0000-7000-8000-000000000000/content"
    assert (await ask(gateway.port, target, method="PUT", body=b"x" * 3 * MIB)).status == 200
    assert len(backend.seen[0].body) == 3 * MIB


async def test_who_asks_for_tokens_too_often_has_to_wait(gateway: Gateway, backend: Backend) -> None:
    variants = ("/oauth/token", "/oauth/token/", "/oauth/%74oken", "//oauth/token", "/OAuth/token;a")
    targets = [f"/api/system/v1{variants[number % len(variants)]}" for number in range(TOKENS_AT_ONCE)]
    answers = [(await ask(gateway.port, target, method="POST")).status for target in targets]
    assert answers == [200] * TOKENS_AT_ONCE
    refused = [await ask(gateway.port, target, method="POST") for target in targets[:5]]
    assert 429 in {answer.status for answer in refused}
    (first, *_) = [answer for answer in refused if answer.status == 429]
    assert (first.header("retry-after"), first.json()["code"]) == ("1", "too_many_requests")
    assert (await ask(gateway.port, "/api/system/v1/me")).status == 200
    assert len(backend.seen) < TOKENS_AT_ONCE + 5


async def test_event_streams_of_one_address_are_counted(gateway: Gateway) -> None:
    target = "/api/etl/v1/runs/0199f9a2-0000-7000-8000-000000000000/events"
    writers = []
    for _ in range(STREAMS):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writers.append(writer)
        writer.write(request(target))
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    assert (await ask(gateway.port, target)).status == 429
    for writer in writers:
        writer.transport.abort()


async def test_each_request_is_one_line_of_json_without_its_query(gateway: Gateway) -> None:
    await ask(gateway.port, "/api/system/v1/me?access_token=eyJsecret", headers={"User-Agent": 'a"b\tc\\'})
    await ask(gateway.port, '/none"}%0a{"forged":1?eyJsecret')
    # nginx writes a line after the answer has left.
    lines = wait_for(lambda: (log := gateway.access_log())[1:] and log, what="two lines in the log")
    # Two workers may write them in either order.
    first, second = sorted((json.loads(line) for line in lines), key=lambda line: str(line["path"]))
    assert "eyJ" not in "".join(lines)
    assert (first["path"], first["status"], first["agent"]) == ("/api/system/v1/me", 200, 'a"b\tc\\')
    assert (second["path"], second["status"]) == ('/none"}%0a{"forged":1', 404)
    assert first["upstream_status"] == "200"
