"""The whole service at work: from a file to rows, as it is wired."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched, target

OVER = {"succeeded", "failed", "cancelled", "timed_out", "dead"}


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


async def over(house: House, task: Any) -> Any:
    """A new run of the task, once it is over."""
    run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
    async with asyncio.timeout(60):
        while run["state"] not in OVER:
            await asyncio.sleep(0.05)
            run = (await house.call("GET", f"/runs/{run['id']}", expect=200)).body
    return run


async def test_a_task_fills_its_table_and_a_published_change_does_not_stop_it(working: House) -> None:
    table, file = await working.draft(), await working.file()
    await working.publish(table)
    task = (
        await working.call(
            "POST", "/tasks", body={"name": "Load", **working.pipeline(table, file)}, expect=201
        )
    ).body

    first = await over(working, task)
    await patched(working, table, columns=MORE)
    pending = await over(working, task)
    await working.publish(table)
    second = await over(working, task)

    assert [run["state"] for run in (first, pending, second)] == ["succeeded"] * 3, (first, pending, second)
    with closing(target(working, table)) as connection:
        rows = connection.execute(
            "SELECT carrier, flight, fare, gate FROM flights ORDER BY carrier"
        ).fetchall()
    assert rows == [("AA", 1, "10.50", None), ("UA", 2, None, None)]


async def test_a_task_of_a_draft_does_not_run(working: House) -> None:
    task = await working.task()

    refused = await working.call("POST", f"/tasks/{task['id']}/runs")

    assert refused.problem() == (409, "table_unpublished")
