import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.api.etl_config.house import COLUMNS, House
from tests.api.etl_config.tables import MORE, patched

TEXT_FARE = {**COLUMNS[2], "type": "text", "comment": "As written."}


async def listed(house: House, table: Any, query: str = "") -> Any:
    return (await house.call("GET", f"/data-tables/{table['id']}/revisions{query}", expect=200)).body


async def compared(house: House, table: Any, query: str = "") -> Any:
    return (await house.call("GET", f"/data-tables/{table['id']}/compare{query}", expect=200)).body


async def test_every_edit_of_the_definition_or_the_place_is_a_revision(house: House) -> None:
    table = await house.draft()
    await patched(house, table, columns=MORE)
    await patched(house, table, display_name="Departures", tags=["air"])
    await patched(house, table, physical_name="departures")

    found = await listed(house, table)

    assert [one["revision"] for one in found["items"]] == [3, 2, 1]
    assert [one["physical_name"] for one in found["items"]] == ["departures", "flights", "flights"]
    assert all(one["published_at"] is None for one in found["items"])


async def test_revisions_are_listed_in_pages_and_by_whether_they_were_published(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    await patched(house, table, columns=MORE)

    first = await listed(house, table, "?limit=1")
    second = await listed(house, table, f"?limit=1&cursor={first['next_cursor']}")

    assert [one["revision"] for one in (*first["items"], *second["items"])] == [2, 1]
    assert second["next_cursor"] is None
    assert [one["revision"] for one in (await listed(house, table, "?published=true"))["items"]] == [1]
    assert [one["revision"] for one in (await listed(house, table, "?published=false"))["items"]] == [2]


async def test_a_revision_is_shown_with_its_definition(house: House) -> None:
    table = await house.draft()
    await patched(house, table, columns=MORE)

    first = (await house.call("GET", f"/data-tables/{table['id']}/revisions/1", expect=200)).body

    assert first["columns"] == table["columns"]
    assert first["primary_key"] == ["carrier", "flight"]


@pytest.mark.parametrize(("number", "status"), [("9", 404), ("0", 422), (str(2**31), 422), ("x", 422)])
async def test_a_revision_that_never_was_is_a_problem(house: House, number: str, status: int) -> None:
    table = await house.draft()

    answer = await house.call("GET", f"/data-tables/{table['id']}/revisions/{number}")
    restored = await house.call(
        "POST", f"/data-tables/{table['id']}/revisions/{number}/restore", version=table["version"]
    )

    assert (answer.status, restored.status) == (status, status)


async def test_what_is_configured_is_compared_with_what_was_published(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    flight = {**COLUMNS[1], "id": table["columns"][1]["id"], "name": "number"}
    gate = {"name": "gate", "type": "text"}
    await patched(
        house,
        table,
        columns=[flight, TEXT_FARE, gate],
        primary_key=["number"],
        physical_name="departures",
        comment="All.",
    )

    found = await compared(house, table)

    assert (found["from"], found["to"], found["same"]) == (1, 2, False)
    assert [one["name"] for one in found["added"]] == ["gate"]
    assert [one["name"] for one in found["dropped"]] == ["carrier"]
    assert [(one["before"]["name"], one["changes"]) for one in found["changed"]] == [
        ("flight", ["name"]),
        ("fare", ["type", "comment"]),
    ]
    assert found["keys_added"] == [{"kind": "primary", "name": "", "columns": ["number"]}]
    assert found["physical_name"] == {"before": "flights", "after": "departures"}
    assert found["comment"] == {"before": "", "after": "All."}
    assert "the column 'flight' is called 'number'" in found["sentences"]


async def test_any_two_revisions_can_be_compared(house: House) -> None:
    table = await house.draft()
    await patched(house, table, columns=MORE)
    await patched(house, table, columns=COLUMNS)

    last = await compared(house, table)
    there = await compared(house, table, "?from=1&to=2")
    back = await compared(house, table, "?from=2&to=1")
    same = await compared(house, table, "?from=1&to=3")

    assert (last["from"], last["to"]) == (2, 3)
    assert [one["name"] for one in there["added"]] == ["gate"]
    assert [one["name"] for one in back["dropped"]] == ["gate"]
    assert same["same"] is True
    assert same["sentences"] == []


async def test_the_only_revision_of_a_draft_equals_itself(house: House) -> None:
    assert (await compared(house, await house.draft()))["same"] is True


async def test_a_revision_that_is_restored_is_synced_again(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    changed = await patched(house, table, columns=[TEXT_FARE], primary_key=[], physical_name="fares")

    path = f"/data-tables/{table['id']}/revisions/1/restore"
    outdated = await house.call("POST", path, version=table["version"])
    back = (await house.call("POST", path, version=changed["version"], expect=200)).body

    assert outdated.problem() == (412, "version_outdated")
    assert (back["physical_name"], back["columns"]) == ("flights", table["columns"])
    assert (back["revision"], back["sync_state"]) == (3, "synced")
    assert [one["revision"] for one in (await listed(house, table))["items"]] == [3, 2, 1]
    assert (await house.plan(table))["kind"] == "none"


async def test_a_revision_is_restored_to_a_place_that_is_still_free(house: House) -> None:
    table = await house.draft()
    moved = await patched(house, table, physical_name="departures")
    await house.draft(resource_id=table["resource_id"])

    refused = await house.call(
        "POST", f"/data-tables/{table['id']}/revisions/1/restore", version=moved["version"]
    )

    assert refused.problem() == (409, "location_taken")
    assert (await listed(house, table))["items"][0]["revision"] == 2


def move_first_revision(house: House) -> None:
    with closing(sqlite3.connect(house.settings.var / "etl.db")) as books, books:
        books.execute("UPDATE data_table_revision SET schema_name = 'elsewhere' WHERE revision = 1")


async def test_a_published_table_does_not_go_back_to_another_schema(house: House) -> None:
    table = await house.draft()
    changed = await patched(house, table, columns=MORE)
    # Aside: the service may be writing, and it can't end that while its loop is held up.
    await asyncio.to_thread(move_first_revision, house)
    await house.publish(table)
    version = (await house.call("GET", f"/data-tables/{table['id']}")).body["version"]

    refused = await house.call("POST", f"/data-tables/{table['id']}/revisions/1/restore", version=version)

    assert version > changed["version"]
    assert refused.problem() == (409, "published_table_fixed")
    assert refused.places == ["path.revision"]


async def test_of_revisions_that_were_never_published_the_newest_two_hundred_are_kept(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    for number in range(203):
        await patched(house, table, comment=str(number))

    found = [one["revision"] for one in (await listed(house, table, "?limit=500"))["items"]]

    assert found == [*range(204, 4, -1), 1]
