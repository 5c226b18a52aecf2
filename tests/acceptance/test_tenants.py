"""Two tenants: what belongs to one does not exist for the other, over every operation with an id."""

from uuid import uuid4

import aiohttp
import pytest

from tests.acceptance.process import ETL, META, SYSTEM, Caller, Penstock, wait_for
from tests.acceptance.workshop import Workshop, rows, task
from tests.api.documents import Api
from tests.api.isolation import Matrix

NOT_A_TENANTS = {
    "get_resource_type": "the types are everybody's",
    "get_handler": "the steps are everybody's",
    "get_tenant": "for the platform's administrator; others lack the scope",
    "change_tenant": "as get_tenant",
    "connect_resource": "for services; people lack the scope",
    "get_data_table_revision": "a revision is a number; the ETL service tests it by itself",
    "restore_data_table_revision": "as get_data_table_revision",
}


@pytest.fixture(scope="module")
def owned(tenant_one: Workshop) -> dict[str, str]:
    """One object of each kind that belongs to tenant one, by the name of its placeholder."""
    caller = tenant_one.caller
    file = tenant_one.upload("owned.csv", rows(3))
    table = tenant_one.table("owned", tenant_one.warehouse())
    made = tenant_one.task("owned", file, table)
    run = tenant_one.start(made)
    tenant_one.finished(run)
    category = caller.post(f"{ETL}/table-categories", {"name": "owned"})["id"]
    return {
        "file_id": file,
        "table_id": table,
        "task_id": made,
        "run_id": run,
        "category_id": category,
        "change_id": caller.items(f"{ETL}/data-tables/{table}/history")[0]["id"],
        "resource": tenant_one.warehouse(),
        "resource_id": tenant_one.warehouse(),
        "user": caller.get(f"{SYSTEM}/me")["id"],
        **catalog(caller),
    }


def catalog(caller: Caller) -> dict[str, str]:
    """The warehouse as a datasource that was scanned, and a database, a table and a sync log."""

    def warehouse() -> dict[str, str] | None:
        found = caller.items(f"{META}/datasources")
        return next((one for one in found if one["name"] == "warehouse"), None)

    datasource = wait_for(warehouse, what="the datasource")
    started = wait_for(lambda: scan(caller, datasource["id"]), what="a scan that starts")
    log = f"{META}/sync-logs/{started['id']}"
    wait_for(lambda: caller.get(log)["completed_at"], what="the end of the scan")
    return {
        "datasource": datasource["id"],
        "sync_log": started["id"],
        "database": caller.items(f"{META}/databases")[0]["id"],
        "table": caller.items(f"{META}/tables")[0]["id"],
    }


def scan(caller: Caller, datasource: str) -> dict[str, str] | None:
    """The scan that was started; None while level 1, which runs by itself, is still at work."""
    answer = caller.call("POST", f"{META}/datasources/{datasource}/scan", {})
    assert answer.status in {202, 409}, answer
    return answer.json if answer.status == 202 else None


@pytest.mark.parametrize("prefix", [SYSTEM, META, ETL])
async def test_tenant_two_gets_404_for_everything_of_tenant_one(
    penstock: Penstock, tenant_two: Workshop, owned: dict[str, str], prefix: str
) -> None:
    own_file = tenant_two.upload("own.csv", rows(1))
    stranger = {"Authorization": f"Bearer {tenant_two.caller.token}", "Upload-Offset": "0"}
    orphan = {
        "resource_id": str(uuid4()),
        "table_id": owned["table_id"],
        "physical_name": "owned",
    }
    bodies = {
        "adopt_orphan_table": {**orphan, "display_name": "x"},
        "forget_orphan_table": orphan,
        "create_task": task("foreign", own_file, owned["table_id"]),
        "replace_task": task("foreign", own_file, owned["table_id"]),
        "validate_task": task("foreign", own_file, owned["table_id"]),
    }
    async with aiohttp.ClientSession() as http:
        api = await Api.at(http, f"{penstock.url}{prefix}")
        matrix = Matrix(api, owned, stranger, bodies=bodies, exempt=NOT_A_TENANTS)
        assert await matrix.findings() == []
        assert len(list(matrix.by_path())) >= 4


async def test_tenant_two_sees_nothing_of_tenant_one_in_any_list(
    tenant_one: Workshop, tenant_two: Workshop, owned: dict[str, str]
) -> None:
    theirs = set(owned.values())
    for path in (
        f"{SYSTEM}/users",
        f"{SYSTEM}/resources",
        f"{SYSTEM}/audit",
        f"{META}/datasources",
        f"{META}/databases",
        f"{META}/tables",
        f"{META}/fields",
        f"{META}/sync-logs",
        f"{ETL}/files",
        f"{ETL}/data-tables",
        f"{ETL}/table-categories",
        f"{ETL}/tasks",
        f"{ETL}/runs",
    ):
        assert tenant_one.caller.items(path), path
        body = tenant_two.caller.call("GET", path).body.decode()
        assert [one for one in theirs if one in body] == [], path


def test_a_pipeline_of_tenant_two_can_not_use_the_file_or_table_of_tenant_one(
    tenant_two: Workshop, owned: dict[str, str]
) -> None:
    own_file = tenant_two.upload("own2.csv", rows(1))
    foreign_file = task("a", owned["file_id"], owned["table_id"])
    for body in (task("a", own_file, owned["table_id"]), foreign_file):
        assert 400 <= tenant_two.caller.call("POST", f"{ETL}/tasks", body).status < 500
