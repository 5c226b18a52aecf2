"""What the edge does with bodies, good and bad."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.shared.http.conftest import House, places, problem_of, raw_request

BODY = {"name": "a"}


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

    async def test_a_length_over_the_limit_is_refused_before_the_body_comes(self, house: House) -> None:
        answer = await raw_request(
            house,
            f"POST /api/sample/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 9999999\r\nConnection: close\r\n\r\n{",
            until=b"\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 413")

    async def test_who_goes_on_sending_a_refused_body_is_let_go_soon(self, house: House) -> None:
        head = (
            f"POST /api/sample/v1/tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{"
        )
        async with asyncio.timeout(6):
            assert (await raw_request(house, head)).startswith(b"HTTP/1.1 413")

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
