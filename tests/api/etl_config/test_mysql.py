"""Data tables on a real MariaDB, by the whole service."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.contracts.connection import MysqlConnection
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched
from tests.api.etl_config.test_running import over
from tests.servers.mariadb import MariaDsn

pytestmark = pytest.mark.mariadb


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


async def resource(house: House, dsn: MariaDsn, *, names_database: bool = True) -> str:
    info = MysqlConnection(
        host=dsn.host,
        port=dsn.port,
        user=dsn.user,
        password=SecretStr(dsn.password),
        database=dsn.database if names_database else "",
        tls="disable",
    )
    return str(await house.system.create(house.tenant, info, told=False))


async def test_a_table_is_published_changed_and_dropped(house: House, mariadb_database: MariaDsn) -> None:
    dsn = mariadb_database
    table = await house.draft(resource_id=await resource(house, dsn))
    assert table["schema_name"] == dsn.database

    await house.publish(table)
    await patched(house, table, columns=MORE, comment="All flights.")
    plan = await house.plan(table)
    done = await house.publish(table)

    assert [one["sql"].split("\n")[0] for one in plan["statements"]] == [
        f"ALTER TABLE `{dsn.database}`.`flights`"
    ]
    assert (await house.plan(table))["kind"] == "none"
    comments = await dsn.fetch(
        "SELECT column_comment FROM information_schema.columns WHERE table_schema = DATABASE()"
        " AND table_name = 'flights' ORDER BY ordinal_position"
    )
    assert comments == [("",), ("",), ("In dollars.",), ("Where.",)]
    path = f"/data-tables/{table['id']}?physical=drop&confirm=flights"
    await house.call("DELETE", path, version=done["version"], expect=204)
    left = await dsn.fetch("SHOW TABLES")
    assert sorted(left) == [("_penstock_fence",), ("_penstock_ledger",), ("_penstock_tables",)]
    assert await dsn.fetch("SELECT * FROM _penstock_tables") == []


async def test_a_table_that_was_altered_by_hand_is_a_ghost(house: House, mariadb_database: MariaDsn) -> None:
    table = await house.draft(resource_id=await resource(house, mariadb_database))
    await house.publish(table)
    await mariadb_database.execute("ALTER TABLE flights MODIFY carrier varchar(2) COLLATE utf8mb4_general_ci")

    refused = await house.call("POST", f"/data-tables/{table['id']}/plan")

    assert refused.problem() == (409, "table_drifted")
    assert "carrier" in refused.body["detail"]
    found = await house.call("GET", f"/data-tables/{table['id']}", expect=200)
    assert found.body["sync_state"] == "ghost"


async def test_without_a_database_there_is_no_place_for_a_table(
    house: House, mariadb_database: MariaDsn
) -> None:
    body = {
        "display_name": "Flights",
        "resource_id": await resource(house, mariadb_database, names_database=False),
        "physical_name": "flights",
        "columns": [{"name": "a", "type": "varchar(20000)"}],
    }
    refused = await house.call("POST", "/data-tables", body=body)
    assert refused.places == ["body.schema_name", "body.columns.0.type"]

    named = {"schema_name": mariadb_database.database, "columns": [{"name": "a", "type": "text"}]}
    made = await house.call("POST", "/data-tables", body=body | named, expect=201)
    assert (await house.publish(made.body))["sync_state"] == "synced"


async def test_a_text_that_is_too_long_for_a_key_is_a_reject_and_the_rest_is_loaded(
    working: House, mariadb_database: MariaDsn
) -> None:
    columns = [{"name": "code", "type": "text", "nullable": False}, {"name": "name", "type": "text"}]
    table = await working.draft(
        resource_id=await resource(working, mariadb_database), columns=columns, primary_key=["code"]
    )
    await working.publish(table)
    file = await working.file(f"code,name\n{'x' * 255},{'y' * 300}\n{'z' * 256},b\n".encode())
    declared = [{"name": name, "type": "text"} for name in ("code", "name")]
    pipeline = working.pipeline(
        table,
        file,
        source={"loader": "csv", "params": {"file_id": file["id"], "columns": declared}},
        steps=[{"step": "database_save", "params": {"table_id": table["id"], "mode": "upsert"}}],
        limits={"max_rejects": 1},
    )
    task = (await working.call("POST", "/tasks", body={"name": "Load", **pipeline}, expect=201)).body

    run = await over(working, task)

    assert run["state"] == "succeeded", run
    rejects = (await working.call("GET", f"/runs/{run['id']}/rejects", expect=200)).body["items"]
    assert [(one["record"], one["column"], one["code"]) for one in rejects] == [(2, "code", "too_long")]
    assert await mariadb_database.fetch("SELECT length(code), length(name) FROM flights") == [(255, 300)]
