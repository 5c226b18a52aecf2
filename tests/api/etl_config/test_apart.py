"""Tenants apart, and bad input on every operation."""

import asyncio
from typing import Any

from shared.identifiers import TenantId
from tests.api.bad_input import BadInput
from tests.api.documents import Api
from tests.api.etl_config.house import House
from tests.api.isolation import Matrix

RUNS = "the runs have a test of their own"


def of_runs(api: Api) -> dict[str, str]:
    return {one.id: RUNS for one in api.operations() if "run_id" in one.path_names or "/runs" in one.path}


def bodies_of(task: Any, resource: str) -> dict[str, Any]:
    """Bodies for operations whose examples aren't valid."""
    draft = {"display_name": "x", "physical_name": "x", "columns": [{"name": "a", "type": "text"}]}
    orphan = {"resource_id": resource, "table_id": task["table_id"], "physical_name": "x"}
    return {
        "create_data_table": draft | {"resource_id": resource},
        "update_data_table": {"comment": "x"},
        "suggest_data_table": {
            "from": {"kind": "data_table", "table_id": task["table_id"]},
            "resource_id": resource,
        },
        "publish_data_table": {"plan_hash": "0" * 64},
        "apply_data_table": {"plan_hash": "0" * 64},
        "repair_data_table": {"plan_hash": "0" * 64, "action": "draft"},
        "adopt_orphan_table": orphan | {"display_name": "x"},
        "forget_orphan_table": orphan,
        "replace_table_category": {"name": "x"},
        "replace_task": {"name": "x", "source": task["source"], "steps": task["steps"]},
        "preview_source": {"file_id": task["file_id"]},
    }


async def test_a_stranger_learns_of_nothing(house: House, stranger: TenantId) -> None:
    category = (await house.call("POST", "/table-categories", body={"name": "Air"}, expect=201)).body
    task = await house.task()
    await house.publish({"id": task["table_id"]})
    history = (await house.call("GET", f"/data-tables/{task['table_id']}/history", expect=200)).body
    api = await Api.at(house.session, house.url)
    resource = await house.warehouse()
    owned = {
        "category_id": category["id"],
        "table_id": task["table_id"],
        "task_id": task["id"],
        "file_id": task["file_id"],
        "resource_id": resource,
        "change_id": history["items"][0]["id"],
    }
    exempt = of_runs(api) | {
        "get_handler": "steps belong to nobody",
        "get_data_table_revision": "a revision is a number, see the test below",
        "restore_data_table_revision": "a revision is a number, see the test below",
        "append_file_content": "it takes bytes, see the test below",
        "upload_file_content": "it takes bytes, see the test below",
    }

    matrix = Matrix(api, owned, house.headers(stranger), bodies=bodies_of(task, resource), exempt=exempt)

    assert await matrix.findings() == []


async def test_a_stranger_sees_no_revision(house: House, stranger: TenantId) -> None:
    table = await house.draft()
    path = f"/data-tables/{table['id']}/revisions/1"

    shown = await house.call("GET", path, tenant=stranger)
    restored = await house.call("POST", f"{path}/restore", tenant=stranger, version=table["version"])

    assert shown.problem() == restored.problem() == (404, "data_table_unknown")


async def test_a_stranger_can_not_write_a_file(house: House, stranger: TenantId) -> None:
    file = (await house.call("POST", "/files", body={"name": "a", "size": 1}, expect=201)).body
    path = f"/files/{file['id']}/content"

    put = await house.call("PUT", path, data=b"x", tenant=stranger)
    patch = await house.call("PATCH", path, data=b"x", tenant=stranger, headers={"Upload-Offset": "0"})

    assert put.problem() == patch.problem() == (404, "file_unknown")
    assert (await house.call("GET", f"/files/{file['id']}")).body["received"] == 0


async def test_ids_of_another_tenant_inside_of_a_pipeline_are_not_there(
    house: House, stranger: TenantId
) -> None:
    table, file = await house.draft(), await house.file()
    theirs = await house.draft(tenant=stranger), await house.file(tenant=stranger)

    foreign_table = await house.call("POST", "/tasks:validate", body=house.pipeline(theirs[0], file))
    foreign_file = await house.call("POST", "/tasks:validate", body=house.pipeline(table, theirs[1]))

    assert foreign_table.problem() == (422, "table_not_found")
    assert foreign_table.places == ["body.steps.1.params.table_id"]
    assert foreign_file.problem() == (422, "file_not_found")
    assert foreign_file.places == ["body.source.params.file_id"]


async def test_lists_show_nothing_of_another_tenant(house: House, stranger: TenantId) -> None:
    await house.task()
    await house.call("POST", "/table-categories", body={"name": "Air"}, expect=201)

    for path in ("/files", "/data-tables", "/tasks", "/table-categories"):
        assert (await house.call("GET", path, tenant=stranger)).body["items"] == []
        assert len((await house.call("GET", path)).body["items"]) == 1


async def test_bad_input_is_a_problem_everywhere(house: House) -> None:
    api = await Api.at(house.session, house.url)

    assert await BadInput(api, house.headers(), exempt=of_runs(api)).findings() == []


async def test_sixty_writers_at_the_same_time_lose_nothing(house: House) -> None:
    async def write(number: int) -> int:
        made = (await house.call("POST", "/table-categories", body={"name": f"C{number}"}, expect=201)).body
        path = f"/table-categories/{made['id']}"
        return (await house.call("PUT", path, body={"name": f"D{number}"}, version=1)).status

    statuses = await asyncio.gather(*(write(number) for number in range(60)))

    found = (await house.call("GET", "/table-categories?limit=500")).body["items"]
    assert set(statuses) == {200}
    assert {one["name"] for one in found} == {f"D{number}" for number in range(60)}
