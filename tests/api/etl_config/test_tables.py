import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from shared.contracts.connection import MysqlConnection, PostgresqlConnection
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


async def test_a_published_table_stays_in_its_resource_and_its_schema(house: House) -> None:
    info = PostgresqlConnection(host="db.example", user="u", password=SecretStr("x"))
    elsewhere = str(await house.system.create(house.tenant, info, told=False))
    table = await house.draft()
    done = await house.publish(table)

    refused = await house.call(
        "PATCH",
        f"/data-tables/{table['id']}",
        body={"resource_id": elsewhere, "schema_name": "sales", "physical_name": "other"},
        version=done["version"],
    )

    assert refused.problem() == (409, "published_table_fixed")
    assert refused.places == ["body.resource_id", "body.schema_name"]
    assert await state(house, table) == ("created", "synced")


async def test_a_published_table_can_change_in_everything_else(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    columns = [{**COLUMNS[0], "type": "text"}, COLUMNS[1], {"name": "new", "type": "text", "nullable": False}]

    after = await patched(house, table, columns=columns, physical_name="other", primary_key=["carrier"])

    assert (after["state"], after["sync_state"]) == ("created", "pending")
    assert after["revision"] == table["revision"] + 1


async def test_another_name_is_a_change_until_it_is_taken_back(house: House) -> None:
    table = await house.draft()
    await house.publish(table)

    there = await patched(house, table, physical_name="departures")
    back = await patched(house, table, physical_name="flights")

    assert (there["sync_state"], back["sync_state"]) == ("pending", "synced")


async def test_columns_in_another_order_are_no_change_of_the_target(house: House) -> None:
    table = await house.draft()
    await house.publish(table)

    after = await patched(house, table, columns=COLUMNS[::-1])

    assert after["sync_state"] == "synced"
    assert [one["name"] for one in after["columns"]] == ["fare", "flight", "carrier"]


async def test_a_draft_can_be_saved_before_it_has_columns_and_a_published_table_keeps_one(
    house: House,
) -> None:
    begun = await house.draft(columns=[], primary_key=[])
    table = await house.draft()
    done = await house.publish(table)

    refused = await house.call(
        "PATCH",
        f"/data-tables/{table['id']}",
        body={"columns": [], "primary_key": []},
        version=done["version"],
    )

    assert begun["columns"] == []
    assert refused.status == 422
    assert refused.places == ["body.columns"]


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
        ({"columns": [{"name": "a", "type": "text"}] * 1001}, "body.columns"),
        ({"columns": [{"name": "", "type": "text"}]}, "body.columns.0.name"),
        ({"columns": [{"name": "a\x00", "type": "text"}]}, "body.columns.0.name"),
        ({"physical_name": ""}, "body.physical_name"),
        ({"physical_name": "\x00"}, "body.physical_name"),
        ({"physical_name": "航" * 22}, "body.physical_name"),
        ({"indexes": [{"name": "x" * 64, "columns": ["a"]}]}, "body.indexes.0.name"),
        ({"comment": "x" * 2001}, "body.comment"),
        ({"comment": "\x00"}, "body.comment"),
        ({"description": "\x00"}, "body.description"),
        ({"display_name": "x" * 201}, "body.display_name"),
        ({"tags": ["\x00"]}, "body.tags.0"),
        ({"tags": [" "]}, "body.tags.0"),
        ({"tags": ["a", "x" * 51]}, "body.tags.1"),
        ({"tags": [str(one) for one in range(21)]}, "body.tags"),
        (
            {"columns": [{"name": "a", "type": "int16", "default": {"kept": "identity"}}]},
            "body.columns.0.default.kept",
        ),
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


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"name": ""}, "body.name"),
        ({"name": " "}, "body.name"),
        ({"name": "x" * 121}, "body.name"),
        ({"name": "a\x00"}, "body.name"),
        ({"name": "a", "description": "\x00"}, "body.description"),
        ({"name": "a", "description": "x" * 10_001}, "body.description"),
    ],
)
async def test_what_is_wrong_with_a_category_has_its_place(
    house: House, body: dict[str, Any], place: str
) -> None:
    refused = await house.call("POST", "/table-categories", body=body)

    assert (refused.status, refused.places) == (422, [place])


async def test_nothing_of_a_connection_is_kept_or_answered(house: House) -> None:
    info = PostgresqlConnection(host="db.example", user="u", password=SecretStr("secret of the tests"))
    resource = str(await house.system.create(house.tenant, info, told=False))

    table = await house.draft(resource_id=resource)

    assert table["schema_name"] == "public"
    assert "secret of the tests" not in str(table)
    database = house.settings.database_url.removeprefix("sqlite+aiosqlite:///")
    with closing(sqlite3.connect(database)) as connection:
        assert not any("secret of the tests" in line for line in connection.iterdump())


async def test_a_draft_that_moves_to_another_kind_of_database_takes_no_type_along_unseen(
    house: House,
) -> None:
    info = MysqlConnection(host="127.0.0.1", port=1, user="u", database="shop")
    elsewhere = str(await house.system.create(house.tenant, info, told=False))
    columns = [{"name": "a", "type": "text", "native": "enum('x','y')"}]
    table = await house.draft(resource_id=elsewhere, columns=columns, primary_key=[])

    body = {"resource_id": await house.warehouse(), "schema_name": None}
    path = f"/data-tables/{table['id']}"
    refused = await house.call("PATCH", path, body=body, version=table["version"])

    assert refused.problem() == (422, "definition_invalid")
    assert refused.places == ["body.columns.0.native"]
