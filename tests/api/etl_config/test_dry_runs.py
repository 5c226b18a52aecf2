"""What a run would say, shown without saying it."""

import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.house import House
from tests.api.etl_config.test_trying_resources import source_of


async def dry(house: House, pipeline: Any) -> Any:
    return (await house.call("POST", "/tasks:dry-run", body=pipeline, expect=200)).body


async def test_the_statements_of_a_run_are_shown_with_its_table_and_columns(house: House) -> None:
    table, file = await house.draft(), await house.file()
    await house.publish(table)

    found = await dry(house, house.pipeline(table, file))

    assert (found["engine"], found["table_name"], found["mode"]) == ("sqlite", "flights", "upsert")
    assert found["key"] == ["carrier", "flight"]
    assert [column["name"] for column in found["columns"]] == ["carrier", "flight", "fare"]
    assert any("flights" in statement for statement in found["statements"])
    assert (found["incremental"], found["cursor"], found["warnings"]) == (False, None, [])


@pytest.mark.parametrize("saved", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_cursor_is_kept_where_the_source_goes_on_and_only_there(
    house: House, saved: bool, goes_on: bool
) -> None:
    table = await house.draft()
    await house.publish(table)
    source = await source_of(house, cursor_column="flight" if goes_on else None)
    names = {"carrier": "text", "flight": "int32", "fare": "decimal(9,2)"}
    source["params"]["columns"] = [
        {"name": name, "type": kind, "nullable": name == "fare"} for name, kind in names.items()
    ]
    steps = [{"step": "database_save", "params": {"table_id": table["id"], "mode": "upsert"}}]
    pipeline = {"source": source, "steps": steps}

    if saved:
        body = {"name": "a", **pipeline}
        task = (await house.call("POST", "/tasks", body=body, expect=201)).body
        found = (await house.call("POST", f"/tasks/{task['id']}/dry-run", expect=200)).body
    else:
        found = await dry(house, pipeline)

    assert found["incremental"] is goes_on
    assert any("_penstock_cursor" in statement for statement in found["statements"]) is goes_on


async def test_nothing_of_it_is_said(house: House) -> None:
    table, file = await house.draft(), await house.file()
    await house.publish(table)
    (path,) = (house.settings.sqlite_root or house.settings.var).rglob("*.db")
    before = path.read_bytes()

    await dry(house, house.pipeline(table, file))

    assert path.read_bytes() == before
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM flights").fetchone() == (0,)
    assert (await house.call("GET", "/runs", expect=200)).body["items"] == []


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace"])
async def test_each_mode_has_its_own_statements(house: House, mode: str) -> None:
    table, file = await house.draft(), await house.file()
    pipeline = house.pipeline(table, file)
    pipeline["steps"][-1]["params"]["mode"] = mode

    found = await dry(house, pipeline)

    assert found["mode"] == mode
    assert found["statements"]
    assert [warning["code"] for warning in found["warnings"]] == ["table_unpublished"]


async def test_a_task_is_shown_as_its_newest_revision(house: House) -> None:
    task = await house.task()

    found = (await house.call("POST", f"/tasks/{task['id']}/dry-run", expect=200)).body

    assert found["table_name"] == "flights"
    assert (await house.call("POST", f"/tasks/{uuid4()}/dry-run")).problem() == (404, "task_unknown")
    stranger = await house.call("POST", f"/tasks/{task['id']}/dry-run", tenant=TenantId(uuid7()))
    assert stranger.problem() == (404, "task_unknown")


async def test_what_can_not_run_has_no_dry_run(house: House) -> None:
    file = await house.file()
    pipeline = house.pipeline({"id": str(uuid4())}, file)

    refused = await house.call("POST", "/tasks:dry-run", body=pipeline)

    assert (refused.problem(), refused.places) == (
        (422, "table_not_found"),
        ["body.steps.1.params.table_id"],
    )


async def test_no_secret_of_the_resource_is_shown(house: House) -> None:
    table, file = await house.draft(), await house.file()

    answer = await house.call("POST", "/tasks:dry-run", body=house.pipeline(table, file), expect=200)

    text = str(answer.body)
    assert str(house.settings.sqlite_root) not in text
    assert "connection" not in text
