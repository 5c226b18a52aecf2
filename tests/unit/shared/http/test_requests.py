"""An operation is called, with what is in the headers and the query."""

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
    assert house.memory.bodies[0] is not None
    assert house.memory.bodies[0].model_dump()["targets"] == [{"kind": "number", "number": 4}]


async def test_work_that_was_started_is_accepted(house: House) -> None:
    task = uuid7()
    answer = await house.call("POST", f"/tasks/{task}/runs", headers={"Idempotency-Key": "k-1"})
    assert (answer.status, answer.headers["Location"]) == (202, f"/api/sample/v1/runs/{task}")
    assert house.memory.keys == ["k-1"]


async def test_nothing_to_say_is_204(house: House) -> None:
    answer = await house.call("DELETE", f"/tasks/{uuid7()}")
    assert (answer.status, answer.text) == (204, "")


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

    @pytest.mark.parametrize("value", ["3", "*", '"x"', '"3", "4"', '"' + "9" * 30 + '"', '"٣"', ""])
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
