"""What the edge does with a request before, and instead of, its operation."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from shared.identifiers import uuid7
from tests.unit.shared.http.conftest import House, places, problem_of

BODY = {"name": "a"}


async def test_an_operation_gets_its_validated_body_and_answers_created(house: House) -> None:
    answer = await house.call(
        "POST", "/tasks", json={"name": "load", "targets": [{"kind": "number", "number": 4}]}
    )
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/sample/v1/tasks/{answer.json['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert house.memory.bodies[0].model_dump()["targets"] == [{"kind": "number", "number": 4}]


async def test_work_that_was_started_is_accepted(house: House) -> None:
    task = uuid7()
    answer = await house.call("POST", f"/tasks/{task}/runs", headers={"Idempotency-Key": "k-1"})
    assert (answer.status, answer.headers["Location"]) == (202, f"/api/sample/v1/runs/{task}")
    assert house.memory.keys == ["k-1"]


async def test_nothing_to_say_is_204(house: House) -> None:
    answer = await house.call("DELETE", f"/tasks/{uuid7()}")
    assert (answer.status, answer.text) == (204, "")


class TestAuthentication:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/tasks?nonsense=1"),
            ("GET", "/tasks/not-a-uuid"),
            ("GET", f"/tasks/{UUID(int=0)}"),
            ("POST", "/tasks"),
            ("PUT", f"/tasks/{uuid7()}"),
            ("GET", "/crash"),
        ],
    )
    async def test_401_comes_before_everything_else(self, house: House, method: str, path: str) -> None:
        answer = await house.call(method, path, signed=False, data=b"[" if method != "GET" else None)
        problem_of(answer, 401, "token_missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("value", ["Bearer x", "Bearer", "Bearer ", "Basic eDp5", "bearer a.b.c", "é"])
    async def test_what_is_no_token_is_401(self, house: House, value: str) -> None:
        answer = await house.call("GET", "/tasks", signed=False, headers={"Authorization": value})
        problem_of(answer, 401, "token_invalid")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'

    async def test_two_authorization_headers_are_401(self, house: House) -> None:
        token = house.token()
        answer = await raw_request(
            house,
            f"GET /api/sample/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 401")

    async def test_a_token_in_the_query_is_not_looked_at(self, house: House) -> None:
        answer = await house.call("GET", f"/tasks?access_token={house.token()}", signed=False)
        problem_of(answer, 401, "token_missing")

    async def test_a_scope_that_is_missing_is_403_and_named(self, house: House) -> None:
        answer = await house.call("DELETE", f"/tasks/{uuid7()}", headers=house.headers("task:write"))
        assert "run:write" in problem_of(answer, 403, "scope_missing")["detail"]
        assert 'scope="run:write"' in answer.headers["WWW-Authenticate"]

    async def test_a_caller_without_a_tenant_gets_403_from_what_needs_one(self, house: House) -> None:
        answer = await house.call("GET", "/tasks", headers=house.headers("task:read", tenant=None))
        problem_of(answer, 403, "tenant_missing")

    async def test_identity_headers_have_no_effect(self, house: House) -> None:
        other = str(uuid7())
        headers = {"X-User": "admin", "X-Tenant": other, "X-Roles": "owner"}
        answer = await house.call("GET", "/tasks", headers=headers)
        assert answer.json["items"][0]["owner"] == str(house.tenant)

    async def test_a_revoked_session_is_401_at_its_next_request(self, house: House) -> None:
        headers = house.headers()
        assert (await house.call("GET", "/me", headers=headers)).status == 200
        house.revocations.add(["session-1"])
        problem_of(await house.call("GET", "/me", headers=headers), 401, "token_invalid")


class TestQuery:
    async def test_it_is_read_by_its_model(self, house: House) -> None:
        await house.call("GET", "/tasks?limit=7&label=a&label=b&state=done&before=-3")
        query = house.memory.queries[0].model_dump()
        assert query == {
            "limit": 7,
            "cursor": None,
            "state": "done",
            "label": ["a", "b"],
            "before": -3,
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("nonsense=1", (["query", "nonsense"], "extra_forbidden")),
            ("limit=x", (["query", "limit"], "int_parsing")),
            ("limit=0", (["query", "limit"], "greater_than_equal")),
            ("limit=501", (["query", "limit"], "less_than_equal")),
            ("limit=", (["query", "limit"], "int_parsing")),
            ("limit=1&limit=2", (["query", "limit"], "given_twice")),
            ("state=gone", (["query", "state"], "literal_error")),
            ("before=99999999999999999999", (["query", "before"], "integer_too_large")),
            ("label=a%00b", (["query", "label", 0], "nul_character")),
            ("cursor=%00", (["query", "cursor"], "nul_character")),
            ("before=" + "9" * 5000, (["query", "before"], "int_parsing_size")),
        ],
    )
    async def test_each_wrong_member_is_422_with_its_place(
        self, house: House, query: str, expected: tuple[list[str | int], str]
    ) -> None:
        found = problem_of(await house.call("GET", f"/tasks?{query}"), 422, "request_invalid")
        assert places(found) == [expected]

    async def test_an_operation_without_a_query_takes_none(self, house: House) -> None:
        found = problem_of(await house.call("GET", "/me?x=1&y=2"), 422, "request_invalid")
        assert [loc for loc, _ in places(found)] == [["query", "x"], ["query", "y"]]

    @pytest.mark.parametrize(
        "path", ["/tasks/1", "/tasks/%00", "/numbers/x", "/numbers/" + "9" * 30, "/tasks/..%2f..%2fetc"]
    )
    async def test_a_wrong_id_in_the_path_is_422_with_its_place(self, house: House, path: str) -> None:
        found = problem_of(await house.call("GET", path), 422, "request_invalid")
        assert found["errors"][0]["loc"][0] == "path"


class TestBody:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({}, (["body", "name"], "missing")),
            ({"name": "a", "tenant_id": "x"}, (["body", "tenant_id"], "extra_forbidden")),
            ({"name": 5}, (["body", "name"], "string_type")),
            ({"name": "a", "count": "5"}, (["body", "count"], "int_type")),
            ({"name": "a", "count": True}, (["body", "count"], "int_type")),
            ({"name": "a", "count": 2**63}, (["body", "count"], "integer_too_large")),
            ({"name": "a\0"}, (["body", "name"], "nul_character")),
            ({"name": "a", "options": {"a\0": "x"}}, (["body", "options"], "nul_character")),
            (
                {"name": "a", "targets": [{"kind": "number", "number": "x"}]},
                (["body", "targets", 0, "number"], "int_type"),
            ),
            ({"name": "a", "targets": [{"kind": "number"}]}, (["body", "targets", 0, "number"], "missing")),
            ({"name": "a", "targets": [{"kind": "CANARY"}]}, (["body", "targets", 0], "union_tag_invalid")),
            ([], (["body"], "model_type")),
        ],
    )
    async def test_each_wrong_member_is_422_with_its_place(
        self, house: House, body: Any, expected: tuple[list[str | int], str]
    ) -> None:
        answer = await house.call("POST", "/tasks", json=body)
        assert places(problem_of(answer, 422, "request_invalid")) == [expected]
        assert "CANARY" not in answer.text
        assert house.memory.bodies == []

    async def test_what_was_sent_is_not_repeated(self, house: House) -> None:
        answer = await house.call(
            "POST", "/tasks", json={"name": "CANARY" * 20, "secret": 5, "weight": "CANARY"}
        )
        assert len(problem_of(answer, 422, "request_invalid")["errors"]) == 3
        assert "CANARY" not in answer.text

    @pytest.mark.parametrize(
        "raw",
        [
            b"{",
            b"[" * 200_000,
            b'{"name":' * 120_000,
            b"{'name': 1}",
            b"\xff\xfe",
            b'{"name": "\xff"}',
            b'{"name": "a", "count": ' + b"9" * 5_000 + b"}",
            b'{"name": "\\ud800"}',
            b'{"name":"a"} x',
            b"nul",
            b'{"options":' + b'{"a":' * 150_000 + b"1" + b"}" * 150_000 + b"}",
        ],
    )
    async def test_malformed_json_is_400(self, house: House, raw: bytes) -> None:
        problem_of(await house.post("/tasks", raw), 400, "malformed_json")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    async def test_a_number_that_is_not_finite_is_422(self, house: House, number: str) -> None:
        answer = await house.post("/tasks", f'{{"name": "a", "weight": {number}}}')
        assert places(problem_of(answer, 422, "request_invalid")) == [
            (["body", "weight"], "number_not_finite")
        ]

    @pytest.mark.parametrize(
        "given", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
    )
    async def test_another_media_type_is_415(self, house: House, given: str) -> None:
        answer = await house.post("/tasks", b'{"name": "a"}', headers={"Content-Type": given})
        found = problem_of(answer, 415, "media_type_refused")
        assert places(found) == [(["header", "Content-Type"], "media_type_refused")]

    async def test_a_media_type_may_have_parameters(self, house: House) -> None:
        headers = {"Content-Type": "Application/JSON; charset=utf-8"}
        assert (await house.post("/tasks", b'{"name": "a"}', headers=headers)).status == 201

    async def test_a_body_that_is_missing_is_422(self, house: House) -> None:
        found = problem_of(await house.call("POST", "/tasks"), 422, "request_invalid")
        assert places(found) == [(["body"], "missing")]

    async def test_an_optional_body_may_be_missing(self, house: House) -> None:
        assert (await house.call("POST", "/tasks:check")).json == {"bytes": 0}
        assert (await house.call("POST", "/tasks:check", json=BODY)).json == {"bytes": 1}
        problem_of(await house.call("POST", "/tasks:check", json={"x": 1}), 422, "request_invalid")

    async def test_a_body_over_the_limit_is_413(self, house: House) -> None:
        answer = await house.post("/tasks", b'{"name": "' + b"a" * 2**20 + b'"}')
        assert "1048576" in problem_of(answer, 413, "body_too_large")["detail"]

    async def test_a_body_without_a_length_is_counted(self, house: House) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b" " * 65_536

        headers = {"Content-Type": "application/json"}
        answer = await house.call("POST", "/tasks", data=pieces(), headers=headers)
        problem_of(answer, 413, "body_too_large")

    async def test_a_compressed_body_is_counted_after_decompression(self, house: House) -> None:
        import gzip

        headers = {"Content-Encoding": "gzip"}
        answer = await house.post("/tasks", gzip.compress(b" " * 50_000_000), headers=headers)
        problem_of(answer, 413, "body_too_large")

    async def test_a_body_that_is_not_what_its_encoding_says_is_4xx(self, house: House) -> None:
        answer = await house.post("/tasks", b"not gzip at all", headers={"Content-Encoding": "gzip"})
        assert answer.status in (400, 422)
        assert answer.headers["Content-Type"].startswith("application/problem+json")

    async def test_raw_bytes_are_streamed_up_to_their_limit(self, house: House) -> None:
        assert (await house.call("POST", "/files", data=b"x" * 1_500_000)).json == {"bytes": 1_500_000}
        problem_of(await house.call("POST", "/files", data=b"x" * 2_000_001), 413, "body_too_large")


class TestForm:
    async def test_a_form_is_taken_where_it_is_declared(self, house: House) -> None:
        answer = await house.call(
            "POST", "/login", signed=False, data={"username": "amy", "password": "right"}
        )
        assert answer.json == {"bytes": 3}

    async def test_so_is_json(self, house: House) -> None:
        body = {"username": "amy", "password": "right"}
        assert (await house.call("POST", "/login", signed=False, json=body)).status == 200

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (b"username=a&username=b&password=c", (["body", "username"], "given_twice")),
            (b"username=a", (["body", "password"], "missing")),
            (b"username=a&password=b&x=1", (["body", "x"], "extra_forbidden")),
            (b"username=%00&password=b", (["body", "username"], "nul_character")),
            (b"username=%ff&password=b", (["body"], "form_invalid")),
            (b"a=1&" * 200, (["body"], "form_invalid")),
        ],
    )
    async def test_a_wrong_form_is_422_with_its_place(
        self, house: House, raw: bytes, expected: tuple[list[str | int], str]
    ) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await house.call("POST", "/login", signed=False, data=raw, headers=headers)
        assert places(problem_of(answer, 422, "request_invalid")) == [expected]


class TestHeaders:
    async def test_an_update_needs_the_version_that_was_read(self, house: House) -> None:
        path = f"/tasks/{uuid7()}"
        problem_of(await house.call("PUT", path, json=BODY), 428, "precondition_missing")
        old = await house.call("PUT", path, json=BODY, headers={"If-Match": '"2"'})
        assert "version 3" in problem_of(old, 412, "version_outdated")["detail"]
        new = await house.call("PUT", path, json=BODY, headers={"If-Match": '"3"'})
        assert (new.status, new.headers["ETag"]) == (200, '"4"')

    async def test_a_proxy_may_have_made_the_etag_weak(self, house: House) -> None:
        answer = await house.call("PUT", f"/tasks/{uuid7()}", json=BODY, headers={"If-Match": 'W/"3"'})
        assert answer.status == 200

    @pytest.mark.parametrize("value", ["3", "*", '"x"', '"3", "4"', '"' + "9" * 30 + '"', ""])
    async def test_what_is_no_etag_is_422(self, house: House, value: str) -> None:
        answer = await house.call("PUT", f"/tasks/{uuid7()}", json=BODY, headers={"If-Match": value})
        found = problem_of(answer, 422, "request_invalid")
        assert places(found) == [(["header", "If-Match"], "header_invalid")]

    @pytest.mark.parametrize("value", ["x" * 201, "a b", "é"])
    async def test_a_wrong_idempotency_key_is_422(self, house: House, value: str) -> None:
        answer = await house.call("POST", f"/tasks/{uuid7()}/runs", headers={"Idempotency-Key": value})
        found = problem_of(answer, 422, "request_invalid")
        assert places(found) == [(["header", "Idempotency-Key"], "header_invalid")]
        assert house.memory.keys == []

    async def test_a_request_id_is_kept_when_it_is_harmless(self, house: House) -> None:
        kept = await house.call("GET", "/me", headers={"X-Request-Id": "abc-123.DEF_9"})
        assert kept.headers["X-Request-Id"] == "abc-123.DEF_9"
        made = await house.call("GET", "/me", headers={"X-Request-Id": "a b<script>"})
        assert made.headers["X-Request-Id"] != "a b<script>"
        assert len(made.headers["X-Request-Id"]) == 32

    async def test_the_clients_address_comes_from_a_trusted_proxy_only_by_its_last_hop(
        self, house: House
    ) -> None:
        await house.call("GET", "/tasks", headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.9, 127.0.0.5"})
        await house.call("GET", "/tasks")
        assert house.memory.addresses == ["203.0.113.9", "127.0.0.1"]

    async def test_every_answer_has_the_security_headers(self, house: House) -> None:
        for path in ("/me", "/crash", "/nowhere", "/health/live"):
            headers = (await house.call("GET", path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in headers["Content-Security-Policy"]
            assert headers["Cache-Control"] == "no-store"
            assert headers["Server"] == "penstock"


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


async def raw_request(house: House, text: str | bytes) -> bytes:
    """The answer to bytes that no HTTP client would send."""
    reader, writer = await asyncio.open_connection(house.host, house.port)
    try:
        writer.write(text if isinstance(text, bytes) else text.encode())
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


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
