"""Which requests reach a service, and which never do."""

import json

import pytest

from deploy.openapi.documents import FOLDER
from tests.acceptance.process import wait_for
from tests.integration.gateway.backend import Backend
from tests.integration.gateway.wire import ask
from tests.servers.nginx import SERVICES, Gateway

BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
HIDDEN = [
    "/api/system/v1/internal/resources",
    "/api/system/v1/internal",
    "/api/system/v1/Internal/resources",
    "/api/system/v1/INTERNAL/",
    "/api/system/v1/%69nternal/resources",
    "/api/system/v1//internal/resources",
    "/api/system/v1/./internal/resources",
    "/api/system/v1/users/../internal/resources",
    "/api/system/v1/users/%2e%2e/internal/resources",
    "/api/system/v1/internal%2fresources",
    "/api/system/v1/internal;a=b/resources",
    "/api/system;a=b/v1/internal/resources",
    "/api/system/v1;/internal",
    "/api/system/internal/resources",
    "/api/etl/v1/a/b/internal/c",
    "/api/system/v1/internal/resources?internal=no",
    "/api/system/v1/internal?",
    "/health/../api/system/v1/internal/resources",
    "/assets/..%2fapi/system/v1/internal/resources",
    "/api/system/v1/metrics",
    "/api/meta/v1/Metrics/",
    "/api/etl/v1/%6detrics",
    "/api/other/v1/me",
    "/api/SYSTEM/v1/me",
    "/API/system/v1/me",
    "/api",
    "/api/",
    "/api;/system/v1/me",
    "/metrics",
    "/health/ready",
    "/.problem",
]


def internal_operations() -> list[str]:
    return [
        f"/api/{name}/v1{path}".replace("{resource}", "0199f9a2-0000-7000-8000-000000000000")
        for name in SERVICES
        for path in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["paths"]
        if "internal" in path
    ]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_path_of_the_interface_reaches_its_service_as_it_was_sent(
    gateway: Gateway, backend: Backend, service: str
) -> None:
    target = f"/api/{service}/v1/things/a%2Fb%20c;d/x:test?q=%41&r=1"
    assert (await ask(gateway.port, target)).status == 200
    assert [seen.path for seen in backend.seen] == [target]


@pytest.mark.parametrize("target", HIDDEN)
async def test_what_is_not_for_the_world_reaches_no_service(
    gateway: Gateway, backend: Backend, target: str
) -> None:
    for headers in ({}, BROWSER if target.lower().startswith("/api") else {}):
        answer = await ask(gateway.port, target, headers=headers)
        assert (answer.status, answer.json()["code"], backend.seen) == (404, "not_found", [])


async def test_every_internal_operation_is_hidden(gateway: Gateway, backend: Backend) -> None:
    targets = internal_operations()
    assert len(targets) >= 3
    for target in targets:
        for method in ("GET", "POST"):
            assert (await ask(gateway.port, target, method=method)).status == 404, target
    assert backend.seen == []


@pytest.mark.parametrize("word", ["internals", "my-internal", "internal.csv"])
async def test_a_name_that_only_resembles_a_hidden_one_is_not_hidden(gateway: Gateway, word: str) -> None:
    assert (await ask(gateway.port, f"/api/etl/v1/{word}")).status == 200


async def test_the_gateway_tells_its_own_health(gateway: Gateway, backend: Backend) -> None:
    answer = await ask(gateway.port, "/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok", "service": "gateway"})
    assert (await ask(gateway.port, "/api/meta/v1/health/ready")).json() == {"at": backend.address}


async def test_a_probe_of_the_gateway_writes_no_line(gateway: Gateway) -> None:
    await ask(gateway.port, "/health")
    await ask(gateway.port, "/api/system/v1/me")
    lines = wait_for(gateway.access_log, what="a line in the log")
    assert [json.loads(line)["path"] for line in lines] == ["/api/system/v1/me"]


async def test_the_console_is_served_at_the_root_and_at_its_own_paths(gateway: Gateway) -> None:
    for target in ("/", "/tasks/17", "/data-tables"):
        answer = await ask(gateway.port, target, headers=BROWSER)
        assert (answer.status, answer.body) == (200, b"the console")
        assert (answer.header("content-type"), answer.header("cache-control")) == (
            "text/html; charset=utf-8",
            "no-cache",
        )
    assert (await ask(gateway.port, "/")).status == 200


@pytest.mark.parametrize(
    "target", ["/nothing", "/assets/none.js", "/../place.conf", "/access.log", "/assets"]
)
async def test_a_program_that_asks_for_a_page_that_is_not_there_is_told_so(
    gateway: Gateway, target: str
) -> None:
    assert (await ask(gateway.port, target)).status in {400, 404}


async def test_an_asset_is_kept_by_the_browser_and_compressed(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "/assets/app.js", headers={"Accept-Encoding": "gzip"})
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert "immutable" in (answer.header("cache-control") or "")
    assert answer.header("content-encoding") == "gzip"
    assert len(answer.body) < 400
