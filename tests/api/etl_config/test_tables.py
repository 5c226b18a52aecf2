import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.contracts.connection import PostgresqlConnection
from tests.api.etl_config.house import COLUMNS, House
from tests.api.etl_config.tables import MORE, patched, state


async def test_ids_of_columns_stay_the_same(house: House) -> None:
    table = await house.draft()

    after = await patched(house, table, columns=MORE)

    assert [one["id"] for one in after["columns"][:3]] == [one["id"] for one in table["columns"]]


async def test_an_edit_that_is_taken_back_is_synced_again(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await patched(house, table, columns=MORE)

    back = await patched(house, table, columns=COLUMNS)

    assert back["sync_state"] == "synced"
    assert (await house.plan(table))["kind"] == "none"


async def test_another_change_of_a_published_table_is_refused_with_what_is_possible(house: House) -> None:
    table = await house.draft()
    done = await house.publish(table)
    columns = [{**COLUMNS[0], "type": "text"}, COLUMNS[1], {"name": "new", "type": "text", "nullable": False}]

    refused = await house.call(
        "PATCH",
        f"/data-tables/{table['id']}",
        body={"columns": columns, "physical_name": "other", "primary_key": ["carrier"]},
        version=done["version"],
    )

    assert refused.problem() == (409, "published_table_fixed")
    assert "can get new columns" in refused.body["detail"]
    assert set(refused.places) == {
        "body.physical_name",
        "body.columns.0.type",
        "body.columns.2.nullable",
        "body.columns",
        "body.primary_key",
    }
    assert await state(house, table) == ("created", "synced")


async def test_two_data_tables_can_not_have_one_place(house: House) -> None:
    table = await house.draft()
    body = {
        "display_name": "Again",
        "resource_id": table["resource_id"],
        "physical_name": "FLIGHTS",
        "columns": COLUMNS,
    }

    refused = await house.call("POST", "/data-tables", body=body)

    assert refused.problem() == (409, "location_taken")
    assert refused.places == ["body.physical_name"]


async def test_a_change_needs_the_version_that_was_read(house: House) -> None:
    table = await house.draft()
    path = f"/data-tables/{table['id']}"

    missing = await house.call("PATCH", path, body={"comment": "x"})
    await house.call("PATCH", path, body={"comment": "x"}, version=table["version"], expect=200)
    outdated = await house.call("PATCH", path, body={"comment": "y"}, version=table["version"])

    assert missing.status == 428
    assert outdated.problem() == (412, "version_outdated")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"columns": [{"name": "x" * 64, "type": "text"}]}, "body.columns.0.name"),
        ({"columns": [{"name": "a", "type": "text"}, {"name": "A", "type": "text"}]}, "body.columns.1.name"),
        ({"columns": [{"name": "a", "type": "varchar"}]}, "body.columns.0.type"),
        ({"columns": []}, "body.columns"),
        ({"columns": [{"name": "a", "type": "text", "colour": "red"}]}, "body.columns.0.colour"),
        ({"physical_name": "sqlite_x"}, "body.physical_name"),
        ({"schema_name": "public"}, "body.schema_name"),
        ({"primary_key": ["nobody"]}, "body.primary_key.0"),
        ({"category_id": str(uuid4())}, "body.category_id"),
        ({"resource_id": str(uuid4())}, "body.resource_id"),
        ({"display_name": " "}, "body.display_name"),
        (
            {"columns": [{"name": "a", "type": "int16", "default": {"literal": "x"}}]},
            "body.columns.0.default.literal",
        ),
    ],
)
async def test_what_is_wrong_with_a_definition_has_its_place(
    house: House, changes: dict[str, Any], place: str
) -> None:
    body = {
        "display_name": "Flights",
        "resource_id": await house.warehouse(),
        "physical_name": "flights",
        "columns": [{"name": "a", "type": "text"}],
    }

    refused = await house.call("POST", "/data-tables", body=body | changes)

    assert refused.status == 422
    assert place in refused.places


async def test_categories_hold_data_tables(house: House) -> None:
    category = (await house.call("POST", "/table-categories", body={"name": "Air"}, expect=201)).body
    table = await house.draft(category_id=category["id"])
    path = f"/table-categories/{category['id']}"

    taken = await house.call("POST", "/table-categories", body={"name": "AIR"})
    full = await house.call("DELETE", path, version=category["version"])
    inside = (await house.call("GET", f"/data-tables?category_id={category['id']}")).body["items"]
    await patched(house, table, category_id=None)
    await house.call("DELETE", path, version=category["version"], expect=204)

    assert taken.problem() == (409, "category_taken")
    assert full.problem() == (409, "data_table_in_use")
    assert [one["id"] for one in inside] == [table["id"]]


async def test_nothing_of_a_connection_is_kept_or_answered(house: House) -> None:
    info = PostgresqlConnection(host="db.example", user="u", password=SecretStr("secret of the tests"))
    resource = str(await house.system.create(house.tenant, info, told=False))

    table = await house.draft(resource_id=resource)

    assert table["schema_name"] == "public"
    assert "secret of the tests" not in str(table)
    database = house.settings.database_url.removeprefix("sqlite+aiosqlite:///")
    with closing(sqlite3.connect(database)) as connection:
        assert not any("secret of the tests" in line for line in connection.iterdump())
