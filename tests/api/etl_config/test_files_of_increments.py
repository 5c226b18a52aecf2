"""A source that goes on, written to files: each run writes what is new, and no run loses its place."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.test_files_as_destination import files, stored
from tests.api.etl_config.test_running import OVER, over
from tests.api.etl_config.test_trying_resources import source_of
from tests.api.etl_runs.test_run_events import follow


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


async def pipeline(house: House, name: str, **params: Any) -> dict[str, Any]:
    """A pipeline that goes on with the goods and writes them to a file."""
    source = await source_of(house, cursor_column="id")
    source["params"]["columns"][0]["nullable"] = False
    save = {"step": "file_save", "params": {"name": name, "format": "csv", "header": False, **params}}
    return {"source": source, "steps": [save]}


async def task(house: House, name: str, **params: Any) -> Any:
    body = {"name": f"Write {name}", **await pipeline(house, name, **params)}
    return (await house.call("POST", "/tasks", body=body, expect=201)).body


def comes(house: House, *goods: int) -> None:
    """New rows in the source."""
    root = house.settings.sqlite_root
    assert root is not None
    (path,) = (root / "acme").glob("*.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO goods VALUES (?, 'new')", [(number,) for number in goods])


async def wrote(house: House, made: Any) -> bytes:
    """What a new run of the task has written."""
    run = await over(house, made)
    assert run["state"] == "succeeded", run
    return stored(house, run["file"]["file_id"])


async def restarted(house: House, made: Any) -> bytes:
    run = (await house.call("POST", f"/tasks/{made['id']}/runs", body={"restart": True}, expect=202)).body
    await follow(house, run["id"])
    run = (await house.call("GET", f"/runs/{run['id']}", expect=200)).body
    assert run["state"] in OVER
    return stored(house, run["file"]["file_id"])


async def test_each_run_writes_what_is_new_also_behind_one_that_found_nothing(working: House) -> None:
    made = await task(working, "goods-{run}.csv")

    found = [await wrote(working, made), await wrote(working, made), await wrote(working, made)]
    comes(working, 3)
    found += [await wrote(working, made), await wrote(working, made)]

    assert found == [b'1,"one"\n2,"two"\n', b"", b"", b'3,"new"\n', b""]
    assert len(await files(working)) == 5


async def test_a_run_that_begins_anew_writes_all_and_the_next_one_goes_on_from_there(
    working: House,
) -> None:
    made = await task(working, "goods-{run}.csv")
    first = await wrote(working, made)
    comes(working, 3)

    again = await restarted(working, made)
    comes(working, 4)

    assert (first, again) == (b'1,"one"\n2,"two"\n', b'1,"one"\n2,"two"\n3,"new"\n')
    assert await wrote(working, made) == b'4,"new"\n'


async def test_a_run_that_fails_keeps_the_place_of_the_one_before(working: House) -> None:
    made = await task(working, "goods-{date}.csv", overwrite="new")
    first = await over(working, made)
    comes(working, 3)
    failed = await over(working, made)
    await working.call("DELETE", f"/files/{first['file']['file_id']}", expect=204)

    assert (first["state"], failed["state"], failed["problem"]["code"]) == (
        "succeeded", "failed", "file_name_taken",
    )  # fmt: skip
    assert await wrote(working, made) == b'3,"new"\n'


async def test_another_task_has_a_place_of_its_own(working: House) -> None:
    made = await task(working, "goods-{run}.csv")
    await wrote(working, made)
    body = {key: made[key] for key in ("source", "steps")} | {"name": "Another"}
    other = (await working.call("POST", "/tasks", body=body, expect=201)).body

    assert await wrote(working, other) == b'1,"one"\n2,"two"\n'


async def test_a_dry_run_shows_how_far_the_last_run_has_come(working: House) -> None:
    made = await task(working, "goods-{run}.csv")
    run, empty = await over(working, made), await over(working, made)

    shown = (await working.call("POST", f"/tasks/{made['id']}/dry-run", expect=200)).body

    assert shown["incremental"] is True
    assert shown["cursor"] == run["counts"]["cursor"] == empty["counts"]["cursor"]
    assert shown["cursor"] is not None


@pytest.mark.parametrize(
    ("name", "overwrite", "codes"),
    [
        ("goods.csv", "replace", ["increment_replaces_all"]),
        ("goods-{date}.csv", "replace", ["increment_replaces_all"]),
        ("goods-{date}-{time}.csv", "replace", []),
        ("goods-{run}.csv", "replace", []),
        ("goods-{date}.csv", "new", []),
    ],
)
async def test_who_would_lose_what_came_before_is_warned(
    house: House, name: str, overwrite: str, codes: list[str]
) -> None:
    body = await pipeline(house, name, overwrite=overwrite)

    found = (await house.call("POST", "/tasks:validate", body=body, expect=200)).body

    assert [warning["code"] for warning in found["warnings"]] == codes
