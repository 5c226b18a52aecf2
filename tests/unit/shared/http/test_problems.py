"""Every error is a problem document."""

import asyncio
from uuid import UUID

import pytest

from tests.unit.shared.http.conftest import House, problem_of, raw_request


class TestProblems:
    async def test_a_path_that_is_not_there_is_404(self, house: House) -> None:
        found = problem_of(await house.call("GET", "/nowhere?secret=CANARY"), 404, "not_found")
        assert found["instance"] == "/api/sample/v1/nowhere"

    async def test_a_path_outside_every_prefix_is_404(self, house: House) -> None:
        async with house.http.get(f"http://{house.host}:{house.port}/elsewhere") as response:
            assert response.status == 404
            assert response.content_type == "application/problem+json"

    @pytest.mark.parametrize("method", ["PATCH", "DELETE", "TRACE", "OPTIONS", "HEAD"])
    async def test_a_method_that_is_not_there_is_405_with_those_that_are(
        self, house: House, method: str
    ) -> None:
        answer = await house.call(method, "/tasks")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,POST"
        assert answer.headers["Content-Type"].startswith("application/problem+json")

    async def test_an_error_of_the_domain_has_its_status_code_and_facts(self, house: House) -> None:
        house.memory.busy = True
        answer = await house.call("POST", "/tasks", json={"name": "nightly"})
        assert problem_of(answer, 409, "task_busy")["detail"] == "The task nightly is running."

    async def test_its_status_comes_from_its_kind_when_no_table_names_it(self, house: House) -> None:
        problem_of(await house.call("GET", f"/tasks/{UUID(int=0)}"), 404, "task_unknown")

    async def test_an_error_may_add_members_and_headers(self, house: House) -> None:
        body = {"username": "amy", "password": "wrong"}
        answer = await house.call("POST", "/login", signed=False, json=body)
        assert problem_of(answer, 400, "login_refused")["error"] == "invalid_grant"
        assert answer.headers["WWW-Authenticate"] == "Basic"

    async def test_throttling_says_when_to_come_again(self, house: House) -> None:
        answer = await house.call("GET", "/busy")
        problem_of(answer, 429, "throttled")
        assert answer.headers["Retry-After"] == "7"

    async def test_a_crash_is_500_and_tells_nothing(
        self, house: House, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await house.call("GET", "/crash")
        found = problem_of(answer, 500, "internal_error")
        assert "CANARY" not in answer.text
        assert found["request_id"]
        assert "CANARY-in-a-local" not in caplog.text


class TestMalformedHttp:
    @pytest.mark.parametrize(
        "raw",
        [
            b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    async def test_it_is_400_as_a_problem(self, house: House, raw: bytes) -> None:
        answer = await raw_request(house, raw)
        assert b" 400 " in answer[:20]
        assert b"application/problem+json" in answer
        assert b"nosniff" in answer

    async def test_a_body_that_stops_in_the_middle_is_not_500(self, house: House) -> None:
        reader, writer = await asyncio.open_connection(house.host, house.port)
        head = f"POST /api/sample/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
        writer.write(head.encode() + b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{")
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(10):
            assert b" 500 " not in await reader.read()
        writer.close()

    async def test_an_expectation_that_nobody_knows_is_a_problem_too(self, house: House) -> None:
        answer = await raw_request(
            house, "GET /api/sample/v1/me HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\nConnection: close\r\n\r\n"
        )
        assert answer.startswith(b"HTTP/1.1 417")
        assert b"application/problem+json" in answer
