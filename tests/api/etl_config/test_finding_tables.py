"""Data tables are found again by their tags and by parts of their names."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from shared.db import migrations
from shared.http.paging import encode_cursor
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import patched
from tests.servers.postgres import Dsn

TAGS = ["air", "AIR", 'a "b" c', "x%_\\", "航班", "ümlaut", "a,b", "[", "tab\there", "\\u00e9", "\x01"]


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


@pytest.mark.parametrize("tag", TAGS)
async def test_a_table_is_found_by_a_whole_tag(house: House, tag: str) -> None:
    await require_found(house, tag)


@pytest.mark.postgres
async def test_tables_and_revisions_are_found_on_postgresql_too(
    postgres_database: Dsn, tmp_path: Path
) -> None:
    await asyncio.to_thread(migrations.upgrade, postgres_database.url, "etl")
    async with houses.running(tmp_path, postgres_database.url) as house:
        for tag in TAGS[2:]:
            await require_found(house, tag)
        table = await house.draft(display_name="100% there")
        await patched(house, table, comment="Second.")
        path = f"/data-tables/{table['id']}/revisions"

        first = (await house.call("GET", f"{path}?limit=1", expect=200)).body
        beyond = (await house.call("GET", f"{path}?cursor={encode_cursor(2**40)}", expect=200)).body
        rest = (await house.call("GET", f"{path}?cursor={first['next_cursor']}", expect=200)).body

        assert await found(house, q="100%") == ["100% there"]
        assert len(beyond["items"]) == 2
        assert [one["revision"] for one in (*first["items"], *rest["items"])] == [2, 1]
        assert (await house.call("GET", f"/data-tables/{table['id']}/compare", expect=200)).body["from"] == 1


async def require_found(house: House, tag: str) -> None:
    await house.draft(display_name=f"Has {tag!r}", tags=["first", tag, "last"])
    await house.draft(display_name="Other", tags=[f"{tag}s", f'x,"{tag}" y', f'"{tag}', "b"])
    await house.draft(display_name="Untagged")

    assert await found(house, tag=tag) == [f"Has {tag!r}"]


async def test_a_table_is_found_by_a_part_of_its_names(house: House) -> None:
    await house.draft(display_name="Flights of 100%", physical_name="departures")
    await house.draft(display_name="Fares", physical_name="fares_by_day")
    await house.draft(display_name="Another", physical_name="day by day")

    assert await found(house, q="100%") == ["Flights of 100%"]
    assert await found(house, q="DEPART") == ["Flights of 100%"]
    assert await found(house, q="_by_") == ["Fares"]
    assert await found(house, q="f") == ["Flights of 100%", "Fares"]
    assert await found(house, q="f", tag="none") == []
