"""What the gateway takes out of requests and puts onto answers."""

import re

import pytest

from services import welcome
from tests.integration.gateway.backend import Backend
from tests.integration.gateway.wire import ask
from tests.servers.nginx import CONFIGURATION, Gateway

IDENTITY = [
    "X-User",
    "X-User-Id",
    "X-Tenant",
    "X-Tenant-Id",
    "X-Roles",
    "X-Scopes",
    "X-Remote-User",
    "Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Groups",
    "X-Auth-Request-User",
    "X-Real-IP",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X_User",
    "Forwarded",
    "Proxy",
]
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


async def test_what_a_client_says_about_identity_is_taken_out(gateway: Gateway, backend: Backend) -> None:
    spoofed = dict.fromkeys(IDENTITY, "admin")
    await ask(gateway.port, "/api/system/v1/me", headers=spoofed | {"Authorization": "Bearer t"})
    (seen,) = backend.seen
    assert "admin" not in seen.headers.values()
    assert seen.headers["authorization"] == "Bearer t"


async def test_a_service_learns_the_address_that_really_called(gateway: Gateway, backend: Backend) -> None:
    claimed = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil"}
    await ask(gateway.port, "/api/system/v1/me", headers=claimed)
    (seen,) = backend.seen
    told = {name: value for name, value in seen.headers.items() if name.startswith("x-forwarded-")}
    assert told == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-host": "localhost",
    }


@pytest.mark.parametrize("given", ["short", "a b c d e f g h", 'quote"quote"', "x" * 65])
async def test_a_request_id_that_could_do_harm_is_replaced(
    gateway: Gateway, backend: Backend, given: str
) -> None:
    answer = await ask(gateway.port, "/api/system/v1/me", headers={"X-Request-Id": given})
    (seen,) = backend.seen
    assert re.fullmatch("[0-9a-f]{32}", seen.headers["x-request-id"])
    assert answer.header("x-request-id") == seen.headers["x-request-id"]


async def test_a_request_id_is_kept_through_the_service_and_in_errors(
    gateway: Gateway, backend: Backend
) -> None:
    given = {"X-Request-Id": "my-request-0001"}
    assert (await ask(gateway.port, "/api/system/v1/me", headers=given)).header("x-request-id") == given[
        "X-Request-Id"
    ]
    refused = await ask(gateway.port, "/api/none", headers=given)
    assert refused.header("x-request-id") == refused.json()["request_id"] == given["X-Request-Id"]
    assert backend.seen[0].headers["x-request-id"] == given["X-Request-Id"]


@pytest.mark.parametrize(
    "target",
    ["/", "/health", "/assets/app.js", "/none", "/api/none", "/api/meta/v1/x", "/api/etl/v1/refused"],
)
async def test_every_answer_has_the_security_headers_once(gateway: Gateway, target: str) -> None:
    answer = await ask(gateway.port, target)
    assert {name: answer.header(name) for name in ALWAYS} == ALWAYS
    policy = answer.header("content-security-policy") or ""
    assert "default-src 'none'" in policy if target.startswith("/api") else "frame-ancestors 'none'" in policy
    assert answer.header("permissions-policy")
    assert answer.header("cache-control")
    assert answer.header("x-request-id")
    assert answer.header("strict-transport-security") is None
    assert answer.header("server") == "nginx"


def test_the_style_of_the_welcome_page_is_allowed() -> None:
    (allowed,) = re.findall("'sha256-[^']+'", welcome.content_security_policy())
    assert allowed in (CONFIGURATION / "headers.conf").read_text(encoding="utf-8")


def test_headers_are_added_in_one_place() -> None:
    """A location with an `add_header` of its own would lose all the others."""
    adding = [path.name for path in CONFIGURATION.glob("*.conf") if "\nadd_header" in path.read_text()]
    nested = [path.name for path in CONFIGURATION.glob("*.conf") if "  add_header" in path.read_text()]
    assert (adding, nested) == (["headers.conf"], [])
