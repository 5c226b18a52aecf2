from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.etl.clients import SystemClient
from services.etl.files.service import FileService
from services.etl.files.store import LocalStore
from services.etl.pipeline.registry import steps
from services.etl.runs.rejected.store import RejectStore
from services.etl.tables.errors import ResourceGone
from services.etl.tasks.errors import SourceGone, TableIsGhost, TableUnpublished, TargetGone
from services.etl.tasks.jobs import TaskJobs
from services.etl.tasks.repository import TaskUses
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.http.client import ClientCredentials, ServiceClient
from shared.identifiers import RunId, TaskId, uuid7
from tests.api.etl_config.house import CSV, House


async def test_a_task_is_saved_with_its_table_and_file(house: House) -> None:
    task = await house.task(description="Daily.")

    found = (await house.call("GET", f"/tasks/{task['id']}", expect=200)).body

    assert found == task
    assert (found["revision"], found["version"], found["description"]) == (1, 1, "Daily.")
    assert found["steps"][-1]["params"]["table_id"] == found["table_id"]
    assert found["limits"]["max_rejects"] == 0


async def test_validation_answers_the_columns_that_each_step_gets(house: House) -> None:
    table, file = await house.draft(), await house.file()

    answer = await house.call("POST", "/tasks:validate", body=house.pipeline(table, file), expect=200)

    before, after = answer.body["steps"]
    assert [column["type"] for column in before["columns"]] == ["text", "text", "text"]
    assert [column["type"] for column in after["columns"]] == ["text", "int32", "decimal(9,2)"]


async def invalid(house: House, **changes: Any) -> list[str]:
    """The places of what is wrong; checking and saving agree on them."""
    table, file = await house.draft(), await house.file()
    pipeline = house.pipeline(table, file) | changes
    checked = await house.call("POST", "/tasks:validate", body=pipeline)
    saved = await house.call("POST", "/tasks", body={"name": "a", **pipeline})
    assert checked.status == saved.status == 422, checked
    assert checked.places == saved.places
    assert (await house.call("GET", "/tasks")).body["items"] == []
    return checked.places


SAVE = {"step": "database_save", "params": {"table_id": str(UUID(int=1))}}


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([{"step": "nobody", "params": {}}, SAVE], "body.steps.0.step"),
        ([SAVE, SAVE], "body.steps.0.step"),
        ([{"step": "select_columns", "params": {"columns": ["missing"]}}, SAVE], None),
        (
            [{"step": "select_columns", "params": {"columns": ["flight"], "x": 1}}, SAVE],
            "body.steps.0.params.x",
        ),
        ([SAVE], "body.steps.0.params.table_id"),
        ([], "body.steps"),
    ],
)
async def test_what_is_wrong_with_a_pipeline_has_its_place(
    house: House, steps: list[Any], place: str | None
) -> None:
    assert (place or "body.steps.0.params.columns.0") in await invalid(house, steps=steps)


async def test_a_file_that_is_not_ready_can_not_be_a_source(house: House) -> None:
    file = (await house.call("POST", "/files", body={"name": "a", "size": 9}, expect=201)).body
    source = house.pipeline({"id": None}, file)["source"]

    assert await invalid(house, source=source) == ["body.source.params.file_id"]


async def test_columns_that_the_table_does_not_take_are_named(house: House) -> None:
    table, file = await house.draft(), await house.file()
    pipeline = house.pipeline(table, file)
    pipeline["steps"] = pipeline["steps"][1:]

    refused = await house.call("POST", "/tasks:validate", body=pipeline)

    assert refused.problem() == (422, "pipeline_invalid")
    assert set(refused.places) == {"body.steps.0.params.table_id"}


async def test_everything_that_is_not_there_is_told_at_once(house: House) -> None:
    pipeline = house.pipeline({"id": str(uuid7())}, {"id": str(uuid7())})

    refused = await house.call("POST", "/tasks:validate", body=pipeline)

    assert refused.problem() == (422, "pipeline_invalid")
    assert refused.places == ["body.steps.1.params.table_id", "body.source.params.file_id"]


async def test_what_is_likely_not_meant_is_a_warning(house: House) -> None:
    table, file = await house.draft(), await house.file()
    await house.publish(table)
    pipeline = house.pipeline(table, file)
    cast, save = pipeline["steps"]
    null = {"column": "flight", "type": "int32", "on_error": "null"}
    cast["params"]["columns"][0] = null
    save["params"]["key"] = ["carrier", "flight"]
    dedupe = {"step": "deduplicate", "params": {"columns": ["carrier"]}}
    sort = {"step": "sort_rows", "params": {"by": [{"column": "fare"}]}}

    plain = await house.call("POST", "/tasks:validate", body=house.pipeline(table, file), expect=200)
    odd = await house.call(
        "POST", "/tasks:validate", body=pipeline | {"steps": [cast, dedupe, sort, save]}, expect=200
    )

    assert plain.body["warnings"] == []
    assert [warning["code"] for warning in odd.body["warnings"]] == ["sorted_too_late", "key_becomes_null"]


async def test_another_pipeline_is_a_new_revision_another_name_is_not(house: House) -> None:
    task = await house.task()
    path = f"/tasks/{task['id']}"
    body = {key: task[key] for key in ("name", "description", "source", "steps", "limits")}

    named = (await house.call("PUT", path, body=body | {"name": "B"}, version=1, expect=200)).body
    limits = {"max_rejects": 5}
    changed = (await house.call("PUT", path, body=body | {"limits": limits}, version=2, expect=200)).body

    assert (named["revision"], changed["revision"], changed["version"]) == (1, 2, 3)
    revisions = (await house.call("GET", f"{path}/revisions")).body
    assert [(one["revision"], one["limits"]["max_rejects"]) for one in revisions] == [(2, 5), (1, 0)]


async def test_a_change_needs_the_version_that_was_read(house: House) -> None:
    task = await house.task()
    body = {key: task[key] for key in ("name", "source", "steps")}

    missing = await house.call("PUT", f"/tasks/{task['id']}", body=body)
    outdated = await house.call("PUT", f"/tasks/{task['id']}", body=body, version=7)

    assert missing.status == 428
    assert outdated.problem() == (412, "version_outdated")


async def test_names_of_tasks_are_unique_and_free_again_after_deleting(house: House) -> None:
    task = await house.task(name="Load")
    body = {key: task[key] for key in ("source", "steps")}

    taken = await house.call("POST", "/tasks", body={"name": "LOAD", **body})
    await house.call("DELETE", f"/tasks/{task['id']}", version=1, expect=204)
    again = await house.call("POST", "/tasks", body={"name": "load", **body})

    assert taken.problem() == (409, "task_name_taken")
    assert taken.places == ["body.name"]
    assert again.status == 201
    assert (await house.call("GET", f"/tasks/{task['id']}")).problem() == (404, "task_unknown")


async def test_lists_filter_and_page(house: House) -> None:
    tasks = [await house.task(name=f"T{number}") for number in range(3)]

    first = (await house.call("GET", "/tasks?limit=2")).body
    rest = (await house.call("GET", f"/tasks?limit=2&cursor={first['next_cursor']}")).body
    mine = (await house.call("GET", f"/tasks?table_id={tasks[1]['table_id']}")).body

    assert [one["name"] for one in first["items"] + rest["items"]] == ["T0", "T1", "T2"]
    assert rest["next_cursor"] is None
    assert [one["name"] for one in mine["items"]] == ["T1"]


@pytest.fixture
async def jobs(house: House, database_url: str) -> AsyncIterator[TaskJobs]:
    """What runs ask, on the database of the running service."""
    database = Database(database_url)
    credentials = ClientCredentials("etl", house.settings.client_secret())
    client = ServiceClient(house.settings.system_api, credentials=credentials)
    files = FileService(
        database,
        store=LocalStore(house.settings.files_folder),
        users=TaskUses(steps()),
        limits=house.settings.file_limits,
    )
    yield TaskJobs(
        database,
        files=files,
        system=SystemClient(client),
        steps=steps(),
        sqlite_root=house.settings.sqlite_root,
        rejects=RejectStore(house.settings.files_folder),
    )
    await client.close()
    await database.close()


async def published(house: House) -> tuple[Any, TenantScope, TaskId]:
    task = await house.task()
    await house.publish({"id": task["table_id"]})
    return task, TenantScope(house.tenant), TaskId(UUID(task["id"]))


async def test_a_run_learns_what_it_would_touch(house: House, jobs: TaskJobs) -> None:
    task, scope, task_id = await published(house)

    found = await jobs.runnable(scope, task_id)

    assert (found.revision, found.name, str(found.table_id)) == (1, task["name"], task["table_id"])
    assert (found.single_writer, found.timeout_seconds) == (True, 3600)


async def test_a_job_is_complete_and_its_connection_is_of_this_moment(house: House, jobs: TaskJobs) -> None:
    task, scope, task_id = await published(house)
    run_id = RunId(uuid7())

    job = await jobs.job_of(scope, task_id, 1, run_id=run_id)

    assert [step.step for step in job.steps] == ["cast_types"]
    assert (job.source.files[0].size, job.source.params["file_id"]) == (len(CSV), task["file_id"])
    assert (job.table.table_name, job.table.mode, job.table.key) == (
        "flights",
        "upsert",
        ["carrier", "flight"],
    )
    asked = house.system.asked[-1]
    assert (asked.purpose, asked.subject, asked.tenant_id) == ("run", run_id, house.tenant)


async def test_a_job_takes_the_columns_that_are_published_not_those_that_are_pending(
    house: House, jobs: TaskJobs
) -> None:
    task, scope, task_id = await published(house)
    path = f"/data-tables/{task['table_id']}"
    table = (await house.call("GET", path)).body
    columns = [{key: one[key] for key in ("name", "type", "nullable")} for one in table["columns"]]
    columns[2]["comment"] = "In dollars."
    more = [*columns, {"name": "later", "type": "text"}]
    await house.call("PATCH", path, body={"columns": more}, version=table["version"], expect=200)

    job = await jobs.job_of(scope, task_id, 1, run_id=RunId(uuid7()))

    assert [column.name for column in job.table.columns] == ["carrier", "flight", "fare"]


async def test_a_draft_can_not_be_filled(house: House, jobs: TaskJobs) -> None:
    task = await house.task()

    with pytest.raises(TableUnpublished):
        await jobs.runnable(TenantScope(house.tenant), TaskId(UUID(task["id"])))


async def test_a_ghost_can_not_be_filled(house: House, jobs: TaskJobs) -> None:
    task, scope, task_id = await published(house)
    assert house.settings.sqlite_root is not None
    for file in (house.settings.sqlite_root / "acme").iterdir():
        file.unlink()
    await house.plan({"id": task["table_id"]})

    with pytest.raises(TableIsGhost):
        await jobs.runnable(scope, task_id)


async def test_what_is_gone_meanwhile_is_said(house: House, jobs: TaskJobs, database_url: str) -> None:
    task, scope, task_id = await published(house)
    run_id = RunId(uuid7())
    table = (await house.call("GET", f"/data-tables/{task['table_id']}")).body
    await house.call("DELETE", f"/tasks/{task['id']}", version=1, expect=204)

    assert await jobs.job_of(scope, task_id, 1, run_id=run_id)
    await house.call("DELETE", f"/files/{task['file_id']}", expect=204)
    with pytest.raises(SourceGone):
        await jobs.job_of(scope, task_id, 1, run_id=run_id)
    await house.system.change(UUID(table["resource_id"]), deleted=True, told=False)  # type: ignore[arg-type]  # an id
    with pytest.raises(ResourceGone):
        await jobs.job_of(scope, task_id, 1, run_id=run_id)
    await house.call("DELETE", f"/data-tables/{task['table_id']}", version=table["version"], expect=204)
    with pytest.raises(TargetGone):
        await jobs.job_of(scope, task_id, 1, run_id=run_id)
