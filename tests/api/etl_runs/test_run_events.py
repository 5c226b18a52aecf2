"""A run at work, as a client of the HTTP API sees it."""

import asyncio
import json
from typing import Any

from tests.api.etl_config.house import House
from tests.api.etl_runs.conftest import runnable_task

BAD = b"carrier,flight,fare\nAA,1,10.50\nUA,two,1\nDL,3,much\nWN,4,\n"


async def follow(house: House, run_id: str, *, last: int | None = None) -> list[dict[str, Any]]:
    """The events of a stream until the service ends it."""
    headers = house.headers() | {"Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = str(last)
    seen = []
    async with (
        asyncio.timeout(60),
        house.session.get(f"{house.url}/runs/{run_id}/events", headers=headers) as response,
    ):
        assert response.content_type == "text/event-stream"
        block: dict[str, str] = {}
        async for raw in response.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                block[name] = value
            elif "data" in block:
                seen.append({"id": int(block["id"]), "event": block["event"], **json.loads(block["data"])})
                block = {}
            else:
                block = {}
    return seen


async def test_a_stream_tells_the_whole_run_and_ends_with_it(working: House) -> None:
    task = await runnable_task(working)
    run = (await working.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
    seen = await follow(working, run["id"])
    assert [event["id"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[0]["event"] == "queued"
    assert seen[-1]["event"] == "succeeded"
    assert all(event["event"] == event["type"] and event["id"] == event["seq"] for event in seen)
    listed = (await working.call("GET", f"/runs/{run['id']}/events?limit=500", expect=200)).body["items"]
    assert [event["seq"] for event in listed] == [event["seq"] for event in seen]
    resumed = await follow(working, run["id"], last=len(seen) - 1)
    assert [event["event"] for event in resumed] == ["succeeded"]
    assert await follow(working, run["id"], last=len(seen)) == []


async def test_rejected_rows_are_told_with_record_column_value_and_reason(working: House) -> None:
    task = await runnable_task(working, BAD, limits={"max_rejects": 10})
    run = (await working.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
    await follow(working, run["id"])
    found = (await working.call("GET", f"/runs/{run['id']}", expect=200)).body
    assert found["state"] == "succeeded", found
    assert (found["counts"]["read"], found["counts"]["written"], found["counts"]["rejected"]) == (4, 2, 2)
    assert sum(kind["rows"] for kind in found["reject_counts"]) == 2
    assert [attempt["outcome"] for attempt in found["attempts"]] == ["succeeded"]
    first = (await working.call("GET", f"/runs/{run['id']}/rejects?limit=1", expect=200)).body
    path = f"/runs/{run['id']}/rejects?limit=1&cursor={first['next_cursor']}"
    rest = (await working.call("GET", path, expect=200)).body
    rows = [*first["items"], *rest["items"]]
    assert sorted((row["record"], row["column"], row["value"]) for row in rows) == [
        (2, "flight", "two"),
        (3, "fare", "much"),
    ]
    assert all(row["reason"] and row["step"] == "cast_types" for row in rows)


async def test_too_many_rejects_fail_the_run_and_say_why(working: House) -> None:
    task = await runnable_task(working, BAD)
    run = (await working.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
    await follow(working, run["id"])
    found = (await working.call("GET", f"/runs/{run['id']}", expect=200)).body
    assert found["state"] == "failed", found
    assert found["problem"]["kind"] == "permanent"
    assert found["problem"]["code"]
    retried = (await working.call("POST", f"/runs/{run['id']}/retry", expect=202)).body
    assert retried["replay_of"] == run["id"]
