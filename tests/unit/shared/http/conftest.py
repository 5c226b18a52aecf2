"""A sample service on a real socket."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from shared.http.app import build_app, build_root
from shared.http.server import serving
from shared.http.services import Services
from shared.identifiers import TenantId, uuid7
from shared.security.revocations import Revocations
from shared.security.tokens import Grant, LocalKeys, SigningKey, TokenVerifier, issue
from tests.unit.shared.http import sample

PREFIX = "/api/sample/v1"
ALL_SCOPES = ("task:read", "task:write", "run:read", "run:write", "file:write")


@dataclass
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Any
    text: str
    json: Any


@dataclass
class House:
    """The sample service, its keys, and a client."""

    key: SigningKey = field(default_factory=SigningKey.generate)
    memory: sample.Memory = field(default_factory=sample.Memory)
    revocations: Revocations = field(default_factory=Revocations)
    tenant: TenantId = field(default_factory=lambda: TenantId(uuid7()))
    ready: bool = True
    closed: list[str] = field(default_factory=list)
    host: str = ""
    port: int = 0
    http: aiohttp.ClientSession = None  # type: ignore[assignment]  # set while the house is open

    def token(self, *scopes: str, **changes: Any) -> str:
        grant: dict[str, Any] = {
            "subject": uuid7(),
            "kind": "user",
            "client_id": "console",
            "tenant": self.tenant,
            "scopes": scopes or ALL_SCOPES,
            "roles": ("owner",),
            "session_id": "session-1",
        }
        life = {name: changes.pop(name) for name in ("lifetime", "now", "issuer") if name in changes}
        return issue(Grant(**(grant | changes)), key=self.key, **life).token

    def headers(self, *scopes: str, **changes: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*scopes, **changes)}"}

    async def call(self, method: str, path: str, *, signed: bool = True, **options: Any) -> Answer:
        headers = {**(self.headers() if signed else {}), **options.pop("headers", {})}
        if isinstance(options.get("data"), bytes):
            options["data"] = io.BytesIO(options["data"])
        async with self.http.request(method, self.url(path), headers=headers, **options) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            parsed = await response.json(content_type=None) if is_json else None
            return Answer(response.status, response.headers, text, parsed)

    async def post(self, path: str, raw: bytes | str, **options: Any) -> Answer:
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return await self.call("POST", path, data=raw, headers=headers, **options)

    def url(self, path: str) -> str:
        return f"http://{self.host}:{self.port}{PREFIX}{path}"

    async def check(self) -> None:
        if not self.ready:
            raise ConnectionError("CANARY: the database is at db.internal")

    async def close(self) -> None:
        self.closed.append("closed")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    services = Services()
    services.add(sample.Memory, made.memory)
    app = build_app(
        "sample",
        prefix=PREFIX,
        features=[sample],
        services=services,
        verifier=TokenVerifier(LocalKeys(made.key), revocations=made.revocations),
        version="1.2.3",
        readiness={"database": made.check},
        on_close=[made.close],
        trusted_proxies=["127.0.0.0/8"],
    )
    async with serving(build_root(app)) as (made.host, made.port), aiohttp.ClientSession() as made.http:
        yield made


def problem_of(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, after the checks that hold for every one of them."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    found: dict[str, Any] = answer.json
    assert found["status"] == status
    assert found["code"] == code
    assert found["type"] == f"urn:penstock:problem:{code}"
    assert found["title"]
    assert found["detail"]
    assert found["request_id"] == answer.headers["X-Request-Id"]
    return found


def places(found: dict[str, Any]) -> list[tuple[list[str | int], str]]:
    """Where and what is wrong."""
    return [(fault["loc"], fault["code"]) for fault in found["errors"]]


async def raw_request(house: House, text: str | bytes, *, until: bytes | None = None) -> bytes:
    """The answer to bytes that no HTTP client would send."""
    reader, writer = await asyncio.open_connection(house.host, house.port)
    try:
        writer.write(text if isinstance(text, bytes) else text.encode())
        await writer.drain()
        async with asyncio.timeout(10):
            return await (reader.read() if until is None else reader.readuntil(until))
    finally:
        writer.close()
        await writer.wait_closed()
