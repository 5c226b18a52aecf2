"""A loader reads from resources of its own types: another one is refused where it is named."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from shared.contracts.connection import ConnectionInfo, HttpConnection, S3Connection, SqliteConnection
from tests.api.etl_config.house import House
from tests.integration.etl_data.apis import answers
from tests.servers.web_api import WebApi, serving

API = HttpConnection(base_url="https://api.example.com/v1")
BUCKET = S3Connection(bucket="things")
DATABASE = SqliteConnection(file="shop.db")
COLUMNS = [{"name": name, "type": "text"} for name in ("carrier", "flight", "fare")]

OTHERS: list[tuple[str, ConnectionInfo, dict[str, Any]]] = [
    ("http", DATABASE, {}),
    ("http", BUCKET, {}),
    ("database_table", API, {"table_name": "t"}),
    ("database_query", BUCKET, {"query": "SELECT 1"}),
    ("csv", API, {"pattern": "a-*.csv"}),
]


@pytest.fixture
def served() -> Iterator[WebApi]:
    with serving() as api:
        yield api


@pytest.mark.parametrize(("loader", "info", "params"), OTHERS)
async def test_a_resource_of_another_type_is_refused_at_its_place(
    house: House, loader: str, info: ConnectionInfo, params: dict[str, Any]
) -> None:
    resource = str(await house.system.create(house.tenant, info, told=False))
    source = {"loader": loader, "params": {"resource_id": resource, "columns": COLUMNS} | params}
    pipeline = house.pipeline(await house.draft(), {"id": None}) | {"source": source}
    for path, body, place in (
        ("/preview-source", source, "body.params.resource_id"),
        ("/preview-pipeline", {"source": source}, "body.source.params.resource_id"),
        ("/tasks:validate", pipeline, "body.source.params.resource_id"),
        ("/tasks", pipeline | {"name": "a"}, "body.source.params.resource_id"),
    ):
        refused = await house.call("POST", path, body=body)
        assert (refused.problem(), refused.places) == ((422, "source_unsuitable"), [place])
        assert f"of type {info.type}" in refused.body["detail"]


async def test_a_further_source_of_another_type_is_refused_at_its_step(house: House) -> None:
    resource = str(await house.system.create(house.tenant, DATABASE, told=False))
    right = {"loader": "http", "params": {"resource_id": resource, "columns": COLUMNS}}
    pipeline = house.pipeline(await house.draft(), await house.file())
    join = {"step": "join", "params": {"right": right, "keys": [{"left": "carrier", "right": "carrier"}]}}
    pipeline["steps"].insert(0, join)
    refused = await house.call("POST", "/tasks:validate", body=pipeline)
    assert refused.problem() == (422, "source_unsuitable")
    assert refused.places == ["body.steps.0.params.right.params.resource_id"]


async def test_the_first_page_of_an_api_is_shown(house: House, served: WebApi) -> None:
    page = {"data": {"orders": [{"id": 7, "total": 12.50}, {"id": 8, "total": 1}]}, "next": "abc"}
    served.answer = answers(lambda: web.json_response(page))
    info = HttpConnection(base_url=served.url, auth="bearer", token=SecretStr("s3cret"))
    resource = str(await house.system.create(house.tenant, info, told=False))
    body = {"loader": "http", "params": {"resource_id": resource, "path": "/orders"}}
    shown = (await house.call("POST", "/preview-source", body=body, expect=200)).body
    assert shown["params"]["records_path"] == "data.orders"
    assert [column["type"] for column in shown["columns"]] == ["int64", "decimal(18,1)"]
    assert shown["rows"] == [["7", "12.5"], ["8", "1"]]
    assert served.asked[0].headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(shown)

    tried = (await house.call("POST", "/preview-pipeline", body={"source": {
        "loader": "http", "params": shown["params"]
    }}, expect=200)).body  # fmt: skip
    assert [row["cells"] for row in tried["steps"][0]["rows"]] == [["7", "12.5"], ["8", "1.0"]]
