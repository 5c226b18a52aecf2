"""Tasks that read from a bucket: previewed, validated, and with its keys kept."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.contracts.connection import S3Connection
from shared.identifiers import uuid7
from tests.api.etl_config.house import House
from tests.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server

COLUMNS = [{"name": name, "type": "text"} for name in ("carrier", "flight", "fare")]


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        running.put("in/1.csv", b"carrier;flight;fare\nAA;1;9.50\n")
        running.put("in/2.csv", b"carrier;flight;fare\nBB;2;8.50\n")
        yield running


async def source_of(house: House, server: S3Server, **changes: Any) -> dict[str, Any]:
    info = TypeAdapter(S3Connection).validate_python(server.connection())
    resource = await house.system.create(house.tenant, info, told=False)
    return {"loader": "csv", "params": {"resource_id": str(resource), "pattern": "in/*.csv"} | changes}


async def test_a_preview_of_objects_completes_a_source_that_can_be_tried(
    house: House, server: S3Server
) -> None:
    source = await source_of(house, server)
    shown = (await house.call("POST", "/preview-source", body=source, expect=200)).body
    assert shown["rows"] == [["AA", "1", "9.50"]]
    assert (shown["params"]["delimiter"], shown["params"]["resource_id"]) == (
        ";", source["params"]["resource_id"],
    )  # fmt: skip
    whole = {"loader": "csv", "params": shown["params"]}
    tried = (await house.call("POST", "/preview-pipeline", body={"source": whole}, expect=200)).body
    assert [row["cells"][0] for row in tried["steps"][0]["rows"]] == ["AA", "BB"]
    assert not {SECRET_KEY, ACCESS_KEY} & set(str(shown).split("'"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pattern": "none/*"}, "no file whose name fits"),
        ({"pattern": "in/none.csv"}, "no file whose name fits"),
        ({"loader": "parquet"}, "no whole Parquet file"),
    ],
)
async def test_what_a_preview_can_not_show_is_said(
    house: House, server: S3Server, changes: dict[str, str], reason: str
) -> None:
    source = await source_of(house, server)
    if "loader" in changes:
        source["loader"] = changes["loader"]
    else:
        source["params"] |= changes
    refused = await house.call("POST", "/preview-source", body=source)
    assert refused.problem() == (422, "preview_refused")
    assert reason in refused.body["detail"]


async def test_a_store_that_refuses_the_keys_is_said_without_them(house: House, server: S3Server) -> None:
    server.keys = {"other": "other"}
    refused = await house.call("POST", "/preview-source", body=await source_of(house, server))
    assert refused.status == 422
    assert "access key" in refused.body["detail"]
    assert SECRET_KEY not in str(refused.body)


async def test_a_task_reads_a_bucket_by_a_pattern_alone(house: House, server: S3Server) -> None:
    table = await house.draft()
    source = await source_of(house, server, columns=COLUMNS)
    pipeline = house.pipeline(table, {"id": None}) | {"source": source}
    await house.call("POST", "/tasks:validate", body=pipeline, expect=200)
    source["params"] |= {"file_id": str(uuid7()), "pattern": None}
    refused = await house.call("POST", "/tasks:validate", body=pipeline)
    assert refused.status == 422
    assert "named by a pattern" in str(refused.body)
