"""Pipelines tried on their first rows, over HTTP."""

import sqlite3
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.house import House

BAD = b"carrier,flight,fare\nAA,1,10.50\nUA,two,1\nDL,3,\n"


async def tried(house: House, pipeline: Any, **more: Any) -> Any:
    body = {key: pipeline[key] for key in ("source", "steps")} | more
    return (await house.call("POST", "/preview-pipeline", body=body, expect=200)).body


async def test_every_step_is_shown_with_the_table_at_the_end(house: House) -> None:
    table, file = await house.draft(), await house.file(BAD)

    found = await tried(house, house.pipeline(table, file))

    loader, cast, save = found["steps"]
    assert [step["step"] for step in found["steps"]] == ["csv", "cast_types", "database_save"]
    assert loader["rows"][0]["cells"] == ["AA", "1", "10.50"]
    assert [(reject["record"], reject["column"]) for reject in cast["rejects"]] == [(2, "flight")]
    assert cast["gone"] == [{"before": 1, "why": "rejected"}]
    assert [column["type"] for column in save["columns"]] == ["varchar(2)", "int32", "decimal(9,2)"]
    assert (found["rows_read"], found["complete"]) == (3, True)


async def test_nothing_is_written_by_trying(house: House) -> None:
    table, file = await house.draft(), await house.file(BAD)
    await house.publish(table)

    await tried(house, house.pipeline(table, file))

    (path,) = (house.settings.sqlite_root or house.settings.var).rglob("*.db")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM flights").fetchone() == (0,)
    assert (await house.call("GET", "/runs", expect=200)).body["items"] == []


@pytest.mark.parametrize(("upto", "steps"), [(-1, ["csv"]), (0, ["csv", "cast_types"]), (None, None)])
async def test_a_pipeline_is_tried_up_to_any_step(
    house: House, upto: int | None, steps: list[str] | None
) -> None:
    table, file = await house.draft(), await house.file(BAD)

    found = await tried(house, house.pipeline(table, file), upto=upto)

    wanted = steps or ["csv", "cast_types", "database_save"]
    assert [step["step"] for step in found["steps"]] == wanted


async def test_a_pipeline_without_a_destination_is_tried_too(house: House) -> None:
    pipeline = house.pipeline({"id": None}, await house.file(BAD))

    found = await tried(house, pipeline | {"steps": pipeline["steps"][:1]}, rows=1)

    assert [len(step["rows"]) for step in found["steps"]] == [1, 1]
    assert found["complete"] is False


async def test_what_is_wrong_with_a_pipeline_has_its_place(house: House) -> None:
    file = await house.file(BAD)
    pipeline = house.pipeline({"id": str(uuid4())}, file)
    steps = [{"step": "select_columns", "params": {"columns": ["missing"]}}, pipeline["steps"][1]]

    body = {"source": pipeline["source"], "steps": steps}
    column = await house.call("POST", "/preview-pipeline", body=body)
    table = await house.call("POST", "/preview-pipeline", body=pipeline)

    assert column.problem() == (422, "pipeline_invalid")
    assert column.places == ["body.steps.0.params.columns.0"]
    assert table.problem() == (422, "table_not_found")
    assert table.places == ["body.steps.1.params.table_id"]


async def test_sources_that_are_not_there_have_their_place(house: House) -> None:
    pipeline = house.pipeline({"id": None}, {"id": str(uuid4())})
    source = pipeline["source"]
    params = {"columns": source["params"]["columns"], "pattern": "nothing-*.csv"}
    named = {"loader": "csv", "params": params}

    gone = await house.call("POST", "/preview-pipeline", body={"source": source})
    none = await house.call("POST", "/preview-pipeline", body={"source": named})

    assert (gone.problem(), gone.places) == ((422, "file_not_found"), ["body.source.params.file_id"])
    assert (none.problem(), none.places) == ((422, "files_not_found"), ["body.source.params.pattern"])


async def test_files_are_shown_by_the_pattern_of_their_names(house: House) -> None:
    await house.file(BAD)

    found = await house.call("POST", "/preview-source", body={"params": {"pattern": "fl*.csv"}}, expect=200)
    none = await house.call("POST", "/preview-source", body={"params": {"pattern": "x*.csv"}})

    assert found.body["params"]["pattern"] == "fl*.csv"
    assert (none.problem(), none.places) == ((422, "files_not_found"), ["body.params.pattern"])


async def test_a_strangers_file_is_not_there(house: House) -> None:
    file = await house.file(BAD)
    source = house.pipeline({"id": None}, file)["source"]

    refused = await house.call("POST", "/preview-pipeline", body={"source": source}, tenant=TenantId(uuid7()))

    assert refused.problem() == (422, "file_not_found")


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({}, "body.params"),
        ({"resource_id": "x"}, "body.params.resource_id"),
        ({"file_id": 7}, "body.params.file_id"),
    ],
)
async def test_a_source_must_be_named(house: House, params: Any, place: str) -> None:
    refused = await house.call("POST", "/preview-source", body={"params": params})

    assert (refused.problem(), refused.places) == ((422, "preview_refused"), [place])


AIRLINES = b"carrier,name\nAA,American\nDL,Delta\n"


def joined(house: House, file: Any, other: Any) -> Any:
    """A pipeline that looks the airlines up in another file."""
    columns = [{"name": "carrier", "type": "text"}, {"name": "name", "type": "text"}]
    join = {
        "right": {"loader": "csv", "params": {"file_id": other["id"], "columns": columns}},
        "keys": [{"left": "carrier", "right": "carrier"}],
        "columns": [{"column": "name", "into": "airline"}],
    }
    source = house.pipeline({"id": None}, file)["source"]
    return {"source": source, "steps": [{"step": "join", "params": join}]}


async def test_steps_that_read_further_sources_are_tried_with_those(house: House) -> None:
    pipeline = joined(house, await house.file(BAD), await house.file(AIRLINES))

    found = await tried(house, pipeline)

    rows = found["steps"][1]["rows"]
    assert [(row["before"], row["cells"][-1]) for row in rows] == [(0, "American"), (1, None), (2, "Delta")]


async def test_a_further_source_that_is_not_there_has_its_place(house: House) -> None:
    pipeline = joined(house, await house.file(BAD), {"id": str(uuid4())})
    table = await house.draft()
    save = {"step": "database_save", "params": {"table_id": table["id"]}}
    place = "body.steps.0.params.right.params.file_id"

    without = await house.call("POST", "/preview-pipeline", body=pipeline)
    saved = {**pipeline, "steps": [*pipeline["steps"], save]}
    validated = await house.call("POST", "/tasks:validate", body=saved)

    assert (without.problem(), without.places) == ((422, "file_not_found"), [place])
    assert (validated.problem(), validated.places) == ((422, "file_not_found"), [place])
