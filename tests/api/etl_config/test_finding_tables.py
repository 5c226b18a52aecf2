"""Data tables are found again by their tags and by parts of their names."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.etl_config.house import House
from tests.api.etl_config.tables import patched


async def found(house: House, **query: str) -> list[Any]:
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    items = (await house.call("GET", f"/data-tables?{text}", expect=200)).body["items"]
    return [one["display_name"] for one in items]


async def test_tags_are_trimmed_and_kept_once(house: House) -> None:
    table = await house.draft(tags=[" air ", "Air", "money", "straße"])

    assert table["tags"] == ["air", "money", "straße"]
    assert (await patched(house, table, tags=["new"]))["tags"] == ["new"]
    assert (await patched(house, table, comment="x"))["tags"] == ["new"]


async def test_other_tags_are_no_other_definition(house: House) -> None:
    table = await house.draft()
    await house.publish(table)

    after = await patched(house, table, tags=["air"])

    assert (after["revision"], after["sync_state"]) == (1, "synced")


@pytest.mark.parametrize("tag", ["air", "AIR", 'a "b" c', "x%_\\", "航班", "ümlaut", "a,b", "[", "tab\there"])
async def test_a_table_is_found_by_a_whole_tag(house: House, tag: str) -> None:
    await house.draft(display_name="Tagged", tags=["first", tag, "last"])
    await house.draft(display_name="Other", tags=[f"{tag}s", f'x,"{tag}" y', "b"])
    await house.draft(display_name="Untagged")

    assert await found(house, tag=tag) == ["Tagged"]


async def test_a_table_is_found_by_a_part_of_its_names(house: House) -> None:
    await house.draft(display_name="Flights of 100%", physical_name="departures")
    await house.draft(display_name="Fares", physical_name="fares_by_day")

    assert await found(house, q="100%") == ["Flights of 100%"]
    assert await found(house, q="DEPART") == ["Flights of 100%"]
    assert await found(house, q="_by_") == ["Fares"]
    assert await found(house, q="f") == ["Flights of 100%", "Fares"]
    assert await found(house, q="f", tag="none") == []
