"""The gateway's own errors look like those of the services."""

from collections.abc import Mapping

import pytest

from shared.contracts.problem import Problem
from tests.integration.gateway.backend import Backend
from tests.integration.gateway.conftest import skipping_without_nginx
from tests.integration.gateway.wire import Answer, ask
from tests.servers import nginx
from tests.servers.nginx import Gateway

LONG = "x" * 9000
CASES: list[tuple[str, str, Mapping[str, str], int, str]] = [
    ("GET", "/none", {}, 404, "not_found"),
    ("POST", "/", {}, 405, "method_not_allowed"),
    ("GET", "/%00", {}, 400, "bad_request"),
    ("GET", "/api/etl/v1/x%zz", {}, 400, "bad_request"),
    ("GET", "/x y", {}, 400, "bad_request"),
    ("GET", "/health", {"Host": ""}, 400, "bad_request"),
    ("GET", f"/api/etl/v1/{LONG}", {}, 414, "uri_too_long"),
    ("GET", "/health", {"X-Long": LONG}, 431, "header_fields_too_large"),
    ("POST", "/api/etl/v1/tasks", {"Content-Length": "1048577"}, 413, "body_too_large"),
    ("POST", "/api/etl/v1/tasks", {"Transfer-Encoding": "gzip"}, 501, "not_implemented"),
]


def document_of(answer: Answer) -> Problem:
    assert answer.header("content-type") == "application/problem+json"
    document = Problem.model_validate_json(answer.body)
    assert document.status == answer.status
    assert document.type == f"urn:penstock:problem:{document.code}"
    assert document.detail.endswith(".")
    return document


@pytest.mark.parametrize(("method", "target", "headers", "status", "code"), CASES)
async def test_an_error_of_the_gateway_is_a_problem_document(
    gateway: Gateway, *, method: str, target: str, headers: Mapping[str, str], status: int, code: str
) -> None:
    answer = await ask(gateway.port, target, method=method, headers=headers)
    assert (answer.status, document_of(answer).code) == (status, code)


async def test_what_is_no_http_at_all_is_a_problem_too(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "/", headers={"Content-Length": "many"})
    assert (answer.status, document_of(answer).instance) == (400, "/")


async def test_a_service_that_is_away_is_503_with_a_time_to_wait() -> None:
    nobody = nginx.fixed(dict.fromkeys(nginx.SERVICES, "127.0.0.1:9"))
    with skipping_without_nginx(), nginx.running(nobody) as gateway:
        answer = await ask(gateway.port, "/api/system/v1/me?token=secret")
    assert (answer.status, answer.header("retry-after")) == (503, "2")
    assert document_of(answer).instance == "/api/system/v1/me"


async def test_an_error_of_a_service_passes_as_it_is(gateway: Gateway) -> None:
    answer = await ask(gateway.port, "/api/meta/v1/refused")
    assert (answer.status, answer.json()) == (503, {"code": "ours"})
    assert answer.header("retry-after") == "2"


@pytest.mark.parametrize("target", ['/no"thing', "/no\\thing", "/no<thing>", "/" + "n" * 600])
async def test_a_strange_path_leaves_the_document_readable(gateway: Gateway, target: str) -> None:
    assert document_of(await ask(gateway.port, target)).instance == "/"


async def test_the_way_back_of_a_refused_method_is_told(gateway: Gateway, backend: Backend) -> None:
    answer = await ask(gateway.port, "/assets/app.js", method="DELETE")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")
    assert backend.seen == []
