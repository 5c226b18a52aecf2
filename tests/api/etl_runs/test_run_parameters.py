"""What one run does differently from its task."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.etl_config.house import House
from tests.api.etl_runs.conftest import runnable_task
from tests.api.etl_runs.test_run_events import follow

OTHER = b"carrier,flight,fare\nB6,7,70.00\nB6,8,80.00\nB6,9,\n"


async def started(house: House, task: Any, **options: Any) -> Any:
    return (await house.call("POST", f"/tasks/{task['id']}/runs", **options, expect=202)).body


async def test_a_run_shows_how_it_differs_and_others_do_not(house: House, task: Any) -> None:
    file = await house.file(OTHER)
    given = {"restart": True, "file_id": file["id"]}
    run = await started(house, task, body=given)
    assert run["parameters"] == given | {"rejects_of": None}
    plain = await started(house, task, body={"queue_behind": True})
    assert plain["parameters"] == {"restart": False, "file_id": None, "rejects_of": None}


async def test_a_retry_differs_as_the_run_did(house: House, task: Any) -> None:
    run = await started(house, task, body={"restart": True})
    await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
    again = (await house.call("POST", f"/runs/{run['id']}/retry", expect=202)).body
    assert again["parameters"] == run["parameters"]


async def test_a_retry_takes_no_parameters_of_its_own(house: House, task: Any) -> None:
    run = await started(house, task)
    await house.call("POST", f"/runs/{run['id']}/cancel", expect=202)
    answer = await house.call("POST", f"/runs/{run['id']}/retry", body={"restart": True})
    assert (answer.status, answer.places) == (422, ["body.restart"])


async def test_another_parameter_is_another_request(house: House, task: Any) -> None:
    key = {"Idempotency-Key": "monday"}
    await started(house, task, headers=key)
    answer = await house.call("POST", f"/tasks/{task['id']}/runs", body={"restart": True}, headers=key)
    assert answer.problem() == (409, "idempotency_key_reused")


async def test_a_file_must_be_there_and_ready(house: House, task: Any) -> None:
    unready = (await house.call("POST", "/files", body={"name": "a", "size": 9}, expect=201)).body
    for file_id in (unready["id"], str(uuid4())):
        answer = await house.call("POST", f"/tasks/{task['id']}/runs", body={"file_id": file_id})
        assert answer.problem() == (422, "file_not_found")
        assert answer.places == ["body.file_id"]
    assert (await house.call("GET", "/runs", expect=200)).body["items"] == []


@pytest.mark.parametrize("body", [{"file_id": "x"}, {"restart": "yes"}, {"rejects_of": str(uuid4())}])
async def test_a_wrong_parameter_has_its_place(house: House, task: Any, body: Any) -> None:
    answer = await house.call("POST", f"/tasks/{task['id']}/runs", body=body)
    assert (answer.status, answer.places) == (422, [f"body.{next(iter(body))}"])


async def test_a_run_reads_the_file_that_it_was_given(working: House) -> None:
    task = await runnable_task(working)
    file = await working.file(OTHER)
    run = await started(working, task, body={"file_id": file["id"]})
    await follow(working, run["id"])
    found = (await working.call("GET", f"/runs/{run['id']}", expect=200)).body
    assert (found["state"], found["counts"]["written"]) == ("succeeded", 3), found
