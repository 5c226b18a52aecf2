"""What tasks and runs are told of the state of their table."""

from typing import Any

from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched, run


def codes(body: Any) -> list[str]:
    return [warning["code"] for warning in body["warnings"]]


async def told(house: House, task: Any) -> tuple[list[str], list[str]]:
    """The warnings of validating a task's pipeline and of showing it."""
    pipeline = {name: task[name] for name in ("source", "steps", "limits")}
    checked = (await house.call("POST", "/tasks:validate", body=pipeline, expect=200)).body
    shown = (await house.call("GET", f"/tasks/{task['id']}", expect=200)).body
    return codes(checked), codes(shown)


async def test_a_task_says_that_its_table_is_a_draft_pending_or_a_ghost(house: House) -> None:
    task = await house.task()
    table = {"id": task["table_id"]}
    assert codes(task) == ["table_unpublished"]
    assert await told(house, task) == (["table_unpublished"], ["table_unpublished"])

    table = await house.publish(table)
    assert await told(house, task) == ([], [])
    await patched(house, table, columns=MORE)
    assert await told(house, task) == (["table_pending"], ["table_pending"])
    await run(house, table, "DROP TABLE flights")
    await house.plan(table)
    assert await told(house, task) == (["table_is_ghost"], ["table_is_ghost"])


async def test_a_run_into_a_pending_table_says_so_in_its_view_and_its_first_event(house: House) -> None:
    task = await house.task()
    table = await house.publish({"id": task["table_id"]})
    await patched(house, table, columns=MORE)

    started = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body

    shown = (await house.call("GET", f"/runs/{started['id']}", expect=200)).body
    events = (await house.call("GET", f"/runs/{started['id']}/events", expect=200)).body["items"]
    assert codes(started) == codes(shown) == ["table_pending"]
    assert codes(events[0]["data"]) == ["table_pending"]


async def test_a_run_into_a_synced_table_has_nothing_to_say(house: House) -> None:
    task = await house.task()
    await house.publish({"id": task["table_id"]})

    started = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body

    events = (await house.call("GET", f"/runs/{started['id']}/events", expect=200)).body["items"]
    assert codes(started) == []
    assert "warnings" not in events[0]["data"]
