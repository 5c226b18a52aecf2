"""Files as destination: from a task to a file that can be read, with the whole service at work."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shared.contracts.connection import S3Connection
from shared.identifiers import uuid7
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import CSV, House
from tests.api.etl_config.test_running import over
from tests.servers.s3 import S3Server

TYPES = [{"column": "flight", "type": "int32"}, {"column": "fare", "type": "decimal(9,2)"}]
CASTS = {"step": "cast_types", "params": {"columns": TYPES}}


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


def pipeline(file: Any, name: str = "flights.parquet", **params: Any) -> dict[str, Any]:
    """A pipeline that writes the file again, under a name and in a form."""
    columns = [{"name": name, "type": "text"} for name in ("carrier", "flight", "fare")]
    save = {"step": "file_save", "params": {"name": name, **params}}
    return {
        "source": {"loader": "csv", "params": {"file_id": file["id"], "columns": columns}},
        "steps": [CASTS, save],
    }


async def task(house: House, file: Any, name: str = "flights.parquet", **params: Any) -> Any:
    body = {"name": f"Write {name} {params}", **pipeline(file, name, **params)}
    return (await house.call("POST", "/tasks", body=body, expect=201)).body


def stored(house: House, file_id: str) -> bytes:
    return (house.settings.files_folder / str(house.tenant) / file_id).read_bytes()


async def files(house: House) -> list[Any]:
    found: list[Any] = (await house.call("GET", "/files", expect=200)).body["items"]
    return found


async def test_a_task_writes_its_rows_to_a_file_of_the_tenant(working: House) -> None:
    made = await task(working, await working.file())

    run = await over(working, made)

    assert run["state"] == "succeeded", run
    assert (run["table_id"], run["resource_id"], made["table_id"]) == (None, None, None)
    assert (run["counts"]["read"], run["counts"]["written"], run["counts"]["inserted"]) == (2, 2, 2)
    assert run["counts"]["steps"][-1]["step"] == "file_save"
    file = (await working.call("GET", f"/files/{run['file']['file_id']}", expect=200)).body
    content = stored(working, file["id"])
    assert (file["name"], file["state"], file["size"]) == ("flights.parquet", "ready", len(content))
    assert file["sha256"] == run["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    table = pq.read_table(working.settings.files_folder / str(working.tenant) / file["id"])
    assert str(table.schema.field("fare").type) == "decimal128(9, 2)"
    assert [list(row.values()) for row in table.cast(table.schema).to_pylist()][1] == ["UA", 2, None]


async def test_a_written_file_is_a_source_like_any_other(working: House) -> None:
    first = await over(working, await task(working, await working.file(), "flights.csv", format="csv"))
    again = await task(working, {"id": first["file"]["file_id"]}, "copy.csv", format="csv")

    second = await over(working, again)

    assert second["state"] == "succeeded", second
    assert stored(working, second["file"]["file_id"]) == (
        b'"carrier","flight","fare"\n"AA",1,10.50\n"UA",2,\n'
    )


async def test_the_file_takes_the_place_of_the_one_of_its_name(working: House) -> None:
    made = await task(working, await working.file(), "out.parquet")

    first, second = await over(working, made), await over(working, made)

    named = [file["id"] for file in await files(working) if file["name"] == "out.parquet"]
    assert named == [second["file"]["file_id"]]
    assert first["file"]["file_id"] != second["file"]["file_id"]


async def test_a_file_that_a_task_reads_stays_when_another_takes_its_name(working: House) -> None:
    file = await working.file()
    made = await task(working, file, file["name"], format="csv")

    run = await over(working, made)

    named = {file["id"] for file in await files(working)}
    assert named == {file["id"], run["file"]["file_id"]}
    assert stored(working, file["id"]) == CSV


def joining(file: Any, other: Any, name: str) -> dict[str, Any]:
    """A pipeline that looks the carriers of a file up in another one."""
    made = pipeline(file, name)
    right = {"loader": "csv", "params": {**made["source"]["params"], "file_id": other["id"]}}
    keys = [{"left": "carrier", "right": "carrier"}]
    join = {"right": right, "keys": keys, "columns": [{"column": "fare", "into": "other"}]}
    return {**made, "steps": [{"step": "join", "params": join}, *made["steps"]]}


async def test_a_file_that_a_step_looks_things_up_in_stays_too(working: House) -> None:
    first, second = await working.file(), await working.file()
    body = {"name": "Look up", **joining(first, second, "looked-up.parquet")}
    await working.call("POST", "/tasks", body=body, expect=201)

    refused = await working.call("DELETE", f"/files/{second['id']}")
    run = await over(working, await task(working, first, "flights.csv", format="csv"))

    assert refused.problem() == (409, "file_in_use")
    assert run["state"] == "succeeded", run
    assert {file["id"] for file in await files(working)} == {
        first["id"],
        second["id"],
        run["file"]["file_id"],
    }


async def test_a_new_file_wants_a_new_name(working: House) -> None:
    made = await task(working, await working.file(), "out.csv", format="csv", overwrite="new")
    first = await over(working, made)

    second = await over(working, made)

    assert (first["state"], second["state"]) == ("succeeded", "failed")
    assert second["problem"]["code"] == "file_name_taken"


async def test_a_name_can_tell_the_day_and_the_run(working: House) -> None:
    made = await task(working, await working.file(), "out-{date}-{run}.csv", format="csv")

    run = await over(working, made)

    assert run["file"]["name"] == f"out-{run['created_at'][:10]}-{run['id']}.csv"


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as made:
        yield made


async def bucket(house: House, server: S3Server) -> str:
    info = S3Connection.model_validate(server.connection(prefix="exports/"))
    return str(await house.system.create(house.tenant, info, told=False))


async def test_a_task_writes_its_rows_to_a_bucket(working: House, server: S3Server) -> None:
    resource = await bucket(working, server)
    made = await task(working, await working.file(), "{date}/flights.csv", format="csv", resource_id=resource)

    run = await over(working, made)

    assert run["state"] == "succeeded", run
    day = run["created_at"][:10]
    assert server.objects[f"exports/{day}/flights.csv"].content == (
        b'"carrier","flight","fare"\n"AA",1,10.50\n"UA",2,\n'
    )
    assert (run["table_id"], run["resource_id"]) == (None, resource)
    assert (run["file"]["name"], run["file"]["file_id"]) == (f"{day}/flights.csv", None)


async def test_a_file_goes_to_a_bucket_and_to_no_other_resource(working: House) -> None:
    file = await working.file()
    for resource, code in ((await working.warehouse(), "target_unsuitable"), (uuid7(), "resource_not_found")):
        body = {"name": "Write", **pipeline(file, resource_id=str(resource))}
        refused = await working.call("POST", "/tasks", body=body)
        assert refused.problem() == (422, code)
        assert refused.places == ["body.steps.1.params.resource_id"]


@pytest.mark.parametrize(
    "name",
    [
        "", "..", ".", "a/b.csv", "../a", "a\\b", "a\x00b", "a\nb", " a", "a ", "x" * 256, "{day}", "a{",
        "}{",
        "{run}" + "x" * 220, "\u2028", "{{run}}",
    ],
)  # fmt: skip
async def test_a_name_that_is_no_file_name_is_refused(working: House, name: str) -> None:
    refused = await working.call("POST", "/tasks:validate", body=pipeline({"id": str(uuid7())}, name))

    assert refused.status == 422
    assert refused.places == ["body.steps.1.params.name"]


@pytest.mark.parametrize("key", ["/a", "a//b", "a/../b", "a/", "\u00e4" * 451])
async def test_a_key_stays_where_it_is(working: House, key: str) -> None:
    body = pipeline({"id": str(uuid7())}, key, resource_id=str(uuid7()))

    refused = await working.call("POST", "/tasks:validate", body=body)

    assert (refused.status, refused.places) == (422, ["body.steps.1.params.name"])


async def test_an_option_of_csv_has_no_meaning_elsewhere(working: House) -> None:
    body = pipeline(await working.file(), header=False, null_token="NA")

    refused = await working.call("POST", "/tasks:validate", body=body)

    assert refused.places == ["body.steps.1.params.header", "body.steps.1.params.null_token"]


async def test_what_a_run_would_write_is_shown(working: House) -> None:
    body = pipeline(await working.file(), "flights.csv", format="csv")

    shown = (await working.call("POST", "/tasks:dry-run", body=body, expect=200)).body

    assert (shown["engine"], shown["table_name"], shown["statements"]) == ("store", None, [])
    assert (shown["file"]["name"], shown["file"]["taken"]) == ("flights.csv", True)
    assert [column["type"] for column in shown["columns"]] == ["text", "int32", "decimal(9,2)"]


async def test_a_pipeline_that_writes_a_file_can_be_tried(working: House) -> None:
    tried = await working.call("POST", "/preview-pipeline", body=pipeline(await working.file()), expect=200)

    assert [step["step"] for step in tried.body["steps"]] == ["csv", "cast_types"]
    assert [file["name"] for file in await files(working)] == ["flights.csv"]


@pytest.mark.parametrize(("name", "status"), [("out-{date}.csv", 409), ("out-{run}.csv", 202)])
async def test_rejected_rows_do_not_take_the_place_of_those_that_were_written(
    working: House, name: str, status: int
) -> None:
    file = await working.file(CSV + b"UA,many,\n")
    body = {"name": "Write", "limits": {"max_rejects": 9}, **pipeline(file, name, format="csv")}
    run = await over(working, (await working.call("POST", "/tasks", body=body, expect=201)).body)

    answer = await working.call("POST", f"/runs/{run['id']}/rejects:replay")

    assert (run["counts"]["written"], run["counts"]["rejected"]) == (2, 1)
    assert answer.status == status
    if status == 409:
        assert "in the place of the rows" in answer.body["detail"]


async def test_two_runs_of_one_file_do_not_run_at_once(working: House) -> None:
    file = await working.file()
    first, second = await task(working, file), await task(working, file, compression="gzip")
    run = (await working.call("POST", f"/tasks/{first['id']}/runs", expect=202)).body

    refused = await working.call("POST", f"/tasks/{second['id']}/runs")

    assert (refused.problem(), refused.body["run_id"]) == ((409, "run_active"), run["id"])
