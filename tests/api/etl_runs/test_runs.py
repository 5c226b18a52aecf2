"""Runs over HTTP, before any runner takes them."""

from typing import Any
from uuid import uuid4

import pytest

from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.house import House


async def started(house: House, task: Any, **options: Any) -> Any:
    return (await house.call("POST", f"/tasks/{task['id']}/runs", **options, expect=202)).body


class TestPost:
    async def test_a_run_is_accepted_and_says_where_it_is(self, house: House, task: Any) -> None:
        answer = await house.call("POST", f"/tasks/{task['id']}/runs", body={})
        assert answer.status == 202
        assert answer.headers["Location"] == f"/api/etl/v1/runs/{answer.body['id']}"
        assert answer.body["state"] == "queued"
        assert answer.body["task_id"] == task["id"]
        found = await house.call("GET", f"/runs/{answer.body['id']}", expect=200)
        assert found.body["attempts"] == []

    async def test_it_needs_no_body(self, house: House, task: Any) -> None:
        assert (await started(house, task))["state"] == "queued"

    async def test_the_same_key_gives_the_same_run(self, house: House, task: Any) -> None:
        key = {"Idempotency-Key": "monday"}
        first = await started(house, task, headers=key)
        again = await started(house, task, headers=key)
        assert again["id"] == first["id"]

    async def test_the_same_key_for_another_request_is_a_conflict(self, house: House, task: Any) -> None:
        key = {"Idempotency-Key": "monday"}
        await started(house, task, headers=key)
        answer = await house.call(
            "POST", f"/tasks/{task['id']}/runs", body={"queue_behind": True}, headers=key
        )
        assert answer.problem() == (409, "idempotency_key_reused")

    async def test_a_second_run_is_a_conflict_that_names_the_first(self, house: House, task: Any) -> None:
        first = await started(house, task)
        answer = await house.call("POST", f"/tasks/{task['id']}/runs")
        assert answer.problem() == (409, "run_active")
        assert first["id"] in answer.body["detail"]
        assert answer.body["run_id"] == first["id"]

    async def test_a_second_run_may_queue_behind_the_first(self, house: House, task: Any) -> None:
        first = await started(house, task)
        second = await started(house, task, body={"queue_behind": True})
        assert second["waiting_behind"]
        await house.call("POST", f"/runs/{first['id']}/cancel", expect=202)
        found = await house.call("GET", f"/runs/{second['id']}", expect=200)
        assert not found.body["waiting_behind"]

    async def test_an_unknown_task_is_not_found(self, house: House) -> None:
        answer = await house.call("POST", f"/tasks/{uuid4()}/runs")
        assert answer.problem() == (404, "task_unknown")

    @pytest.mark.parametrize(
        ("body", "place"),
        [({"queue_behind": "yes"}, "body.queue_behind"), ({"priority": 1}, "body.priority")],
    )
    async def test_a_wrong_body_is_refused_with_its_place(
        self, house: House, task: Any, body: Any, place: str
    ) -> None:
        answer = await house.call("POST", f"/tasks/{task['id']}/runs", body=body)
        assert answer.status == 422
        assert answer.places == [place]


class TestCancelAndRetry:
    async def test_a_queued_run_is_cancelled_at_once(self, house: House, task: Any) -> None:
        run = await started(house, task)
        for _ in range(2):
            cancelled = await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
            assert cancelled.body["state"] == "cancelled"

    async def test_a_run_that_is_not_over_is_not_retried(self, house: House, task: Any) -> None:
        run = await started(house, task)
        answer = await house.call("POST", f"/runs/{run['id']}/retry")
        assert answer.problem() == (409, "run_unfinished")

    async def test_a_retry_is_a_new_run(self, house: House, task: Any) -> None:
        run = await started(house, task)
        await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
        again = (await house.call("POST", f"/runs/{run['id']}/retry", expect=202)).body
        assert again["replay_of"] == run["id"]
        assert again["id"] != run["id"]


class TestLists:
    async def test_runs_come_newest_first_and_page_by_page(self, house: House, task: Any) -> None:
        runs = [await started(house, task, body={"queue_behind": True}) for _ in range(3)]
        first = (await house.call("GET", f"/runs?limit=2&task_id={task['id']}", expect=200)).body
        rest = (await house.call("GET", f"/runs?limit=2&cursor={first['next_cursor']}", expect=200)).body
        listed = [run["id"] for run in (*first["items"], *rest["items"])]
        assert listed == [run["id"] for run in reversed(runs)]
        assert rest["next_cursor"] is None

    async def test_events_are_a_list_with_a_cursor(self, house: House, task: Any) -> None:
        run = await started(house, task)
        await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
        first = (await house.call("GET", f"/runs/{run['id']}/events?limit=1", expect=200)).body
        path = f"/runs/{run['id']}/events?limit=1&cursor={first['next_cursor']}"
        rest = (await house.call("GET", path, expect=200)).body
        assert [(e["seq"], e["type"]) for e in (*first["items"], *rest["items"])] == [
            (1, "queued"),
            (2, "cancelled"),
        ]
        after = (await house.call("GET", f"/runs/{run['id']}/events?after=1", expect=200)).body
        assert [event["seq"] for event in after["items"]] == [2]

    @pytest.mark.parametrize("what", ["events", "rejects"])
    async def test_a_cursor_of_another_list_is_refused(self, house: House, task: Any, what: str) -> None:
        run = await started(house, task)
        answer = await house.call("GET", f"/runs/{run['id']}/{what}?cursor=WyJ4Il0")
        assert answer.problem() == (400, "invalid_cursor")

    @pytest.mark.parametrize("query", ["state=sleeping", "task_id=x", "limit=0", "colour=red"])
    async def test_a_wrong_filter_is_refused(self, house: House, query: str) -> None:
        assert (await house.call("GET", f"/runs?{query}")).status == 422


async def test_a_stranger_finds_nothing(house: House, task: Any) -> None:
    stranger = TenantId(uuid7())
    run = await started(house, task)
    for method, path in (
        ("GET", ""),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("GET", "/events"),
        ("GET", "/rejects"),
    ):
        answer = await house.call(method, f"/runs/{run['id']}{path}", tenant=stranger)
        assert answer.problem() == (404, "run_unknown"), path
    streamed = await house.call(
        "GET", f"/runs/{run['id']}/events", tenant=stranger, headers={"Accept": "text/event-stream"}
    )
    assert streamed.problem() == (404, "run_unknown")
    answer = await house.call("POST", f"/tasks/{task['id']}/runs", tenant=stranger)
    assert answer.problem() == (404, "task_unknown")
    assert (await house.call("GET", "/runs", tenant=stranger, expect=200)).body["items"] == []
