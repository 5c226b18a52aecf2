"""Previews of sources that read from a resource."""

import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.connection import SqliteConnection
from shared.identifiers import uuid7
from tests.api.etl_config.house import House
from tests.api.etl_config.test_trying import tried


async def source_of(house: House, **changes: Any) -> Any:
    info = SqliteConnection(file=f"{uuid7()}.db", create=True)
    resource = await house.system.create(house.tenant, info, told=False)
    root = house.settings.sqlite_root
    assert root is not None
    path = root / "acme" / info.file
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO goods VALUES (1, 'one'), (2, 'two')")
    columns = [{"name": "id", "type": "int64"}, {"name": "name", "type": "text"}]
    params = {"resource_id": str(resource), "table_name": "goods", "columns": columns}
    return {"loader": "database_table", "params": params | changes}


async def test_rows_are_shown_to_those_who_may_make_tasks(house: House) -> None:
    found = await tried(house, {"source": await source_of(house), "steps": []})
    assert found["steps"][0]["problem"] is None
    assert [row["cells"] for row in found["steps"][0]["rows"]] == [["1", "one"], ["2", "two"]]


async def test_rows_are_not_shown_to_those_who_may_only_read(house: House) -> None:
    source = await source_of(house)
    token = house.system.token(house.tenant, scopes=["file:read", "task:read"])
    headers = {"Authorization": f"Bearer {token}"}
    for path, body in (("/preview-pipeline", {"source": source}), ("/preview-source", source)):
        refused = await house.call("POST", path, body=body, headers=headers)
        assert refused.problem() == (403, "resource_not_shown")


async def test_a_resource_that_is_not_there_has_its_place(house: House) -> None:
    source = await source_of(house, resource_id=str(uuid4()))
    for path, body, place in (
        ("/preview-pipeline", {"source": source}, "body.source.params.resource_id"),
        ("/preview-source", source, "body.params.resource_id"),
    ):
        refused = await house.call("POST", path, body=body)
        assert (refused.problem(), refused.places) == ((422, "resource_not_found"), [place])


async def test_a_task_that_reads_a_resource_that_is_not_there_is_not_saved(house: House) -> None:
    table = await house.draft()
    pipeline = house.pipeline(table, {"id": None})
    source = await source_of(house, resource_id=str(uuid4()))
    source["params"]["columns"] = [{"name": name, "type": "text"} for name in ("carrier", "flight", "fare")]

    for path, more in (("/tasks:validate", {}), ("/tasks", {"name": "a"})):
        refused = await house.call("POST", path, body={**pipeline, **more, "source": source})
        assert refused.problem() == (422, "resource_not_found")
        assert refused.places == ["body.source.params.resource_id"]


@pytest.mark.parametrize(
    ("kind", "lag", "codes"),
    [
        ("timestamptz", 0, ["late_rows_lost"]),
        ("date", 0, ["late_rows_lost"]),
        ("date", 1, []),
        ("int64", 0, []),
    ],
)
async def test_a_moment_as_cursor_without_a_lag_loses_rows_that_come_late(
    house: House, kind: str, lag: int, codes: list[str]
) -> None:
    table = await house.draft()
    await house.publish(table)
    source = await source_of(house, cursor_column="seen", lag=lag)
    source["params"]["columns"] = [
        {"name": "carrier", "type": "text", "nullable": False},
        {"name": "flight", "type": "int32", "nullable": False},
        {"name": "seen", "type": kind},
    ]
    steps = [
        {"step": "drop_columns", "params": {"columns": ["seen"]}},
        {"step": "database_save", "params": {"table_id": table["id"], "mode": "upsert"}},
    ]

    found = await house.call("POST", "/tasks:validate", body={"source": source, "steps": steps}, expect=200)

    assert [warning["code"] for warning in found.body["warnings"]] == codes


async def test_a_source_that_goes_on_warns_of_what_repeats_or_gets_lost(house: House) -> None:
    table = await house.draft()
    await house.publish(table)
    source = await source_of(house, cursor_column="flight", lag=60)
    names = {"carrier": "text", "flight": "int32", "fare": "decimal(9,2)"}
    source["params"]["columns"] = [
        {"name": name, "type": kind, "nullable": name == "fare"} for name, kind in names.items()
    ]
    found = {}
    for mode in ("append", "replace", "upsert"):
        save = {"step": "database_save", "params": {"table_id": table["id"], "mode": mode}}
        body = {"source": source, "steps": [save]}
        shown = (await house.call("POST", "/tasks:dry-run", body=body, expect=200)).body
        assert shown["incremental"] is True
        found[mode] = [warning["code"] for warning in shown["warnings"]]
    assert found == {"append": ["lag_repeats_rows"], "replace": ["increment_replaces_all"], "upsert": []}
