"""A whole application: its document, its health, its life."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from openapi_spec_validator import validate

from shared.contracts.scopes import SCOPES
from shared.http import openapi
from shared.http.app import build_app, build_root
from shared.http.server import serving
from shared.http.services import Services
from shared.security.tokens import LocalKeys, SigningKey, TokenVerifier
from tests.unit.shared.http import sample
from tests.unit.shared.http.conftest import PREFIX, House, problem_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document("sample", title="Sample", prefix=PREFIX, features=[sample], version="1.2.3")


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in document["paths"].values() for one in path.values()}


class TestDocument:
    def test_it_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        validate(document)
        assert document["openapi"].startswith("3.1")

    def test_it_does_not_depend_on_the_moment(self, document: dict[str, Any]) -> None:
        again = openapi.document("sample", title="Sample", prefix=PREFIX, features=[sample], version="1.2.3")
        assert json.dumps(again) == json.dumps(document)

    def test_every_operation_has_all_that_a_reader_needs(self, document: dict[str, Any]) -> None:
        for name, one in operations(document).items():
            assert one["summary"], name
            assert one["tags"], name
            assert "security" in one, name
            assert {"400", "422", "500", "503"} <= set(one["responses"]), name
            if one["security"]:
                assert "401" in one["responses"], name

    def test_scopes_are_those_that_the_edge_checks(self, document: dict[str, Any]) -> None:
        found = {name: one["security"] for name, one in operations(document).items()}
        assert found["delete_task"] == [{"accessToken": ["task:write", "run:write"]}]
        assert found["me"] == [{"accessToken": []}]
        assert found["login"] == found["live"] == []
        assert all(
            scope in document["components"]["securitySchemes"]["accessToken"]["description"]
            for scope in SCOPES
        )

    def test_errors_are_listed_with_their_codes(self, document: dict[str, Any]) -> None:
        conflict = operations(document)["create_task"]["responses"]["409"]
        assert "`task_busy`: The task {task} is running." in conflict["description"]
        assert conflict["content"]["application/problem+json"]["schema"] == {
            "$ref": "#/components/schemas/Problem"
        }
        replaced = operations(document)["replace_task"]["responses"]
        assert {"403", "404", "408", "412", "413", "415", "428"} <= set(replaced)

    def test_headers_and_queries_are_parameters(self, document: dict[str, Any]) -> None:
        def named(operation: str) -> dict[str, bool]:
            found = operations(document)[operation].get("parameters", [])
            return {f"{one['in']} {one['name']}": one["required"] for one in found}

        assert named("replace_task") == {"path task": True, "header If-Match": True}
        assert named("start_run") == {"path task": True, "header Idempotency-Key": False}
        assert named("events") == {"header Last-Event-ID": False}
        assert set(named("list_tasks")) == {
            "query limit",
            "query cursor",
            "query state",
            "query label",
            "query before",
        }

    def test_an_operation_may_answer_in_more_than_one_media_type(self, document: dict[str, Any]) -> None:
        found = operations(document)["history"]
        assert set(found["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
        assert found["parameters"][0]["name"] == "Last-Event-ID"

    def test_a_secret_is_written_only(self, document: dict[str, Any]) -> None:
        secret = document["components"]["schemas"]["NewTask"]["properties"]["secret"]
        assert secret["writeOnly"] is True

    async def test_the_service_serves_it(self, house: House) -> None:
        served = (await house.call("GET", "/openapi.json", signed=False)).json
        validate(served)
        assert (
            served["paths"]
            == openapi.document("sample", title="sample", prefix=PREFIX, features=[sample], version="1.2.3")[
                "paths"
            ]
        )


class TestHealth:
    async def test_a_service_that_answers_is_alive(self, house: House) -> None:
        answer = await house.call("GET", "/health/live", signed=False)
        assert answer.json == {"status": "ok", "service": "sample", "release": "1.2.3", "away": []}

    async def test_it_is_ready_when_what_it_needs_is(self, house: House) -> None:
        assert (await house.call("GET", "/health/ready", signed=False)).status == 200
        house.ready = False
        answer = await house.call("GET", "/health/ready", signed=False)
        assert "database" in problem_of(answer, 503, "not_ready")["detail"]
        assert "CANARY" not in answer.text

    async def test_the_root_speaks_for_all_services(self, house: House) -> None:
        root = f"http://{house.host}:{house.port}"
        async with house.http.get(f"{root}/health/ready") as response:
            assert await response.json() == {"status": "ok", "services": ["sample"], "away": []}
        house.ready = False
        async with house.http.get(f"{root}/health/ready") as response:
            assert response.status == 503
        async with house.http.get(f"{root}/health/live") as response:
            assert response.status == 200

    async def test_requests_are_counted_by_operation_and_never_by_path(self, house: House) -> None:
        await house.call("GET", "/me")
        await house.call("GET", "/nowhere/CANARY")
        text = (await house.call("GET", "/metrics", signed=False)).text
        assert (
            'penstock_http_requests_total{method="GET",operation="me",service="sample",status="200"} 1.0'
            in text
        )
        assert 'operation="unmatched"' in text
        assert "CANARY" not in text


class Loop:
    """A background that tells what happens to it."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.log: list[str] = []

    async def run(self, stop: asyncio.Event) -> None:
        self.log.append("run")
        self.running.set()
        await stop.wait()
        self.log.append("stopped")


async def test_backgrounds_run_while_the_service_does_and_are_over_before_what_they_use_is_closed() -> None:
    loop, background = asyncio.get_running_loop(), Loop()

    async def close(name: str) -> None:
        background.log.append(f"close {name}")

    def app(number: int) -> Any:
        return build_app(
            f"sample{number}", prefix=f"/api/{number}", features=[], services=Services(),
            verifier=TokenVerifier(LocalKeys(SigningKey.generate())), version="1",
            backgrounds=[background] if number == 1 else [],
            on_close=[lambda: close("database"), lambda: close("client")] if number == 1 else [],
        )  # fmt: skip

    async with serving(build_root(app(1), app(2))) as (host, port), aiohttp.ClientSession() as client:
        await background.running.wait()
        for number in (1, 2):
            async with client.get(f"http://{host}:{port}/api/{number}/health/live") as response:
                assert (await response.json())["service"] == f"sample{number}"
        async with client.get(f"http://{host}:{port}/metrics") as response:
            text = await response.text()
        assert text.count("# TYPE penstock_http_requests_total counter") == 1
        assert 'service="sample1"' in text
        assert 'service="sample2"' in text
        started = loop.time()
    assert loop.time() - started < 2
    assert background.log == ["run", "stopped", "close client", "close database"]


async def test_the_access_log_has_one_line_without_the_query(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await house.call("GET", "/tasks?limit=5&cursor=CANARY", headers={"X-Request-Id": "find-me-1"})
    await house.call("GET", "/health/live")
    lines = [str(record.msg) for record in caplog.records if "'request'" in str(record.msg)]
    assert len(lines) == 1
    assert "list_tasks" in lines[0]
    assert "CANARY" not in caplog.text
    assert "eyJ" not in caplog.text
