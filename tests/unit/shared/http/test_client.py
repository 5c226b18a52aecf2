"""Calling another service, over a real socket."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel, ConfigDict, SecretStr

from shared.http.client import (
    ClientCredentials,
    RemoteRefusal,
    RemoteTrouble,
    ServiceClient,
    ServiceUnreachable,
)
from shared.http.remote import AnswerNotUnderstood
from shared.observe import context

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str


@dataclass
class Remote:
    """A service that answers what it is told to, and keeps what it was sent."""

    statuses: list[int] = field(default_factory=list)
    answer: Any = field(default_factory=lambda: {"name": "remote"})
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tokens: int = 0
    expires_in: int = 600
    good_token: str | None = None
    pages: dict[str | None, Any] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        if self.good_token and request.headers.get("Authorization") != f"Bearer {self.good_token}":
            return self.problem(401, "token_invalid")
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        if status >= 300:
            return self.problem(status, "some_code")
        answer = self.pages[request.query.get("cursor")] if self.pages else self.answer
        return web.json_response(answer, status=status)

    def problem(self, status: int, code: str) -> web.Response:
        document = {"type": "t", "title": "T", "status": status, "instance": "/", "request_id": "r"}
        return web.json_response(
            document | {"detail": "Why it failed.", "code": code},
            status=status,
            content_type="application/problem+json",
            headers={"Location": "http://127.0.0.1:9/elsewhere"},
        )

    async def token(self, request: web.Request) -> web.StreamResponse:
        self.tokens += 1
        assert request.headers["Authorization"] == "Basic bWV0YTpzJTNBJTJCY3JldA=="
        assert await request.text() == "grant_type=client_credentials"
        await asyncio.sleep(0)
        answer = {
            "access_token": f"token-{self.tokens}",
            "expires_in": self.expires_in,
            "token_type": "Bearer",
        }
        return web.json_response(answer)


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
async def base(remote: Remote) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/api/system/v1/oauth/token", remote.token)
    app.router.add_route("*", "/{tail:.*}", remote.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/api/system/v1"))


@pytest.fixture
async def client(base: str) -> AsyncIterator[ServiceClient]:
    made = ServiceClient(base, patience=2.0)
    yield made
    await made.close()


@pytest.fixture
async def authorized(base: str) -> AsyncIterator[ServiceClient]:
    made = ServiceClient(base, credentials=ClientCredentials("meta", SecretStr("s:+cret")), patience=2.0)
    yield made
    await made.close()


async def test_an_answer_comes_as_its_model(client: ServiceClient, remote: Remote) -> None:
    assert await client.call("GET", "/things/1", returns=Thing) == Thing(name="remote")
    assert remote.seen[0].path == "/api/system/v1/things/1"
    assert "Authorization" not in remote.seen[0].headers


async def test_body_and_query_are_sent(client: ServiceClient, remote: Remote) -> None:
    query = {"limit": 5, "deep": True, "cursor": None, "name": "a b&c"}
    await client.call("POST", "/things", body=Thing(name="é"), query=query)
    assert remote.bodies == ['{"name":"é"}'.encode()]
    assert remote.seen[0].headers["Content-Type"] == "application/json"
    assert dict(remote.seen[0].query) == {"limit": "5", "deep": "true", "name": "a b&c"}


async def test_a_path_can_not_leave_the_base_or_add_a_query(client: ServiceClient, remote: Remote) -> None:
    await client.call("GET", "/things/a?b#c")
    assert remote.seen[0].raw_path == "/api/system/v1/things/a%3Fb%23c"


async def test_the_request_id_and_the_trace_go_along(client: ServiceClient, remote: Remote) -> None:
    context.REQUEST_ID.set("request-1")
    context.TRACEPARENT.set(TRACE)
    await client.call("GET", "/things")
    sent = remote.seen[0].headers
    assert sent["X-Request-Id"] == "request-1"
    assert sent["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert sent["traceparent"] != TRACE


async def test_a_list_is_read_to_its_end(client: ServiceClient, remote: Remote) -> None:
    remote.pages = {
        None: {"items": [{"name": "a"}, {"name": "b"}], "next_cursor": "2"},
        "2": {"items": [], "next_cursor": "3"},
        "3": {"items": [{"name": "c"}], "next_cursor": None},
    }
    assert [thing.name async for thing in client.every("/things", Thing)] == ["a", "b", "c"]


async def test_a_refusal_is_an_error_with_what_the_other_said(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [409]
    with pytest.raises(RemoteRefusal) as caught:
        await client.call("GET", "/things")
    assert (caught.value.status, caught.value.remote_code, caught.value.detail) == (
        409,
        "some_code",
        "Why it failed",
    )
    assert len(remote.seen) == 1


@pytest.mark.parametrize("statuses", [[503, 502], [504], [429], [0], [0, 503]])
async def test_a_call_that_changes_nothing_is_tried_again(
    client: ServiceClient, remote: Remote, statuses: list[int]
) -> None:
    remote.statuses = list(statuses)
    assert await client.call("GET", "/things", returns=Thing) == Thing(name="remote")
    assert len(remote.seen) == len(statuses) + 1


async def test_a_post_is_sent_once(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [503]
    with pytest.raises(RemoteTrouble):
        await client.call("POST", "/things", body=Thing(name="a"))
    remote.statuses = [0]
    with pytest.raises(ServiceUnreachable):
        await client.call("POST", "/things", body=Thing(name="a"))
    assert len(remote.seen) == 2


async def test_a_post_with_an_idempotency_key_is_tried_again(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [503]
    await client.call("POST", "/things", body=Thing(name="a"), idempotency_key="k")
    assert [request.headers["Idempotency-Key"] for request in remote.seen] == ["k", "k"]


async def test_a_crash_of_the_other_is_not_tried_again(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [500]
    with pytest.raises(RemoteTrouble):
        await client.call("GET", "/things")
    assert len(remote.seen) == 1


async def test_trouble_that_does_not_end_is_bounded(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [503] * 50
    async with asyncio.timeout(10):
        with pytest.raises(RemoteTrouble):
            await client.call("GET", "/things")
    assert 1 < len(remote.seen) <= 5


async def test_nobody_there_is_an_error_that_names_the_service() -> None:
    client = ServiceClient("http://127.0.0.1:1/api/meta/v1", patience=0.3)
    with pytest.raises(ServiceUnreachable, match=r"127\.0\.0\.1/api/meta/v1"):
        await client.call("GET", "/things")
    await client.close()


async def test_a_silent_service_is_bounded(base: str, remote: Remote) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    remote.handle = silent  # type: ignore[method-assign, assignment]  # it never answers
    app = web.Application()
    app.router.add_get("/", silent)
    async with TestServer(app) as server:
        client = ServiceClient(str(server.make_url("")), seconds=0.2, patience=0.1)
        with pytest.raises(ServiceUnreachable):
            await client.call("GET", "/")
        await client.close()


async def test_redirects_are_not_followed(client: ServiceClient, remote: Remote) -> None:
    remote.statuses = [307]
    with pytest.raises(RemoteRefusal):
        await client.call("GET", "/things")
    assert len(remote.seen) == 1


async def test_an_answer_that_is_not_the_model_is_an_error_that_does_not_repeat_it(
    client: ServiceClient, remote: Remote
) -> None:
    remote.answer = {"password": "CANARY"}
    with pytest.raises(AnswerNotUnderstood) as caught:
        await client.call("GET", "/things", returns=Thing)
    assert "CANARY" not in repr(caught.value)
    assert caught.value.__cause__ is None


class TestTokens:
    async def test_one_token_serves_many_calls(self, authorized: ServiceClient, remote: Remote) -> None:
        await asyncio.gather(*(authorized.call("GET", "/things") for _ in range(20)))
        assert remote.tokens == 1
        assert {request.headers["Authorization"] for request in remote.seen} == {"Bearer token-1"}

    async def test_a_call_in_the_name_of_another_carries_their_token(
        self, authorized: ServiceClient, remote: Remote
    ) -> None:
        await authorized.call("GET", "/things/1", bearer="theirs")

        assert remote.seen[0].headers["Authorization"] == "Bearer theirs"
        assert remote.tokens == 0

    async def test_it_is_renewed_before_it_ends(self, authorized: ServiceClient, remote: Remote) -> None:
        remote.expires_in = 0
        await authorized.call("GET", "/things")
        await authorized.call("GET", "/things")
        assert remote.tokens == 2

    async def test_a_token_that_is_refused_is_replaced_once(
        self, authorized: ServiceClient, remote: Remote
    ) -> None:
        await authorized.call("GET", "/things")
        remote.good_token = "token-2"
        assert await authorized.call("POST", "/things", body=Thing(name="a"), returns=Thing)
        assert remote.tokens == 2

    async def test_a_new_token_that_is_refused_too_is_an_error(
        self, authorized: ServiceClient, remote: Remote
    ) -> None:
        remote.good_token = "never"
        with pytest.raises(RemoteRefusal) as caught:
            await authorized.call("GET", "/things")
        assert (caught.value.status, remote.tokens, len(remote.seen)) == (401, 2, 2)

    async def test_the_secret_is_in_no_representation(self) -> None:
        assert "s:+cret" not in repr(ClientCredentials("meta", SecretStr("s:+cret")))
