"""Keys of an API's records that nobody declared: left out, the end of the run, or kept."""

from typing import Any

import pytest
from aiohttp import web

from services.etl.loaders._http_errors import PageRefused
from services.etl.loaders.http import Http
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.step import ParamsInvalid
from services.etl.previews.definition import PreviewSpec
from tests.integration.etl_data.apis import COLUMNS, Client, of

COLLECT: dict[str, Any] = {"extra_columns": "collect", "extra_column": "rest"}
PAGING: dict[str, Any] = {"paging": "page", "page_parameter": "page"}
PAGES: list[list[dict[str, Any]]] = [[{"id": 1}, {"id": 2, "a": 1.5}], [{"id": 3, "b": {"c": None}}]]


def test_undeclared_keys_are_left_out_unless_told_otherwise(client: Client) -> None:
    client.api.answer = of(PAGES)
    assert client.read(**PAGING).rows == [(1,), (2,), (3,)]
    assert client.read(**PAGING, **COLLECT).rows == [(1, None), (2, '{"a":1.5}'), (3, '{"b":{"c":null}}')]
    with pytest.raises(PageRefused, match="'a'"):
        client.read(**PAGING, extra_columns="fail")


def test_undeclared_columns_of_pages_of_text_are_kept_too(client: Client) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(text="id,name\n1,bolt\n2,\n")

    client.api.answer = page
    assert client.read(format="csv", **COLLECT).rows == [(1, '{"name":"bolt"}'), (2, None)]
    assert [str(column.type) for column in client.loader(**COLLECT).columns_out()] == ["int64", "json"]


@pytest.mark.parametrize(
    ("params", "severity"), [({}, "warning"), (COLLECT, "warning"), ({"extra_columns": "fail"}, "error")]
)
def test_a_preview_shows_undeclared_keys(client: Client, params: dict[str, Any], severity: str) -> None:
    client.api.answer = of(PAGES)
    source = JobSource(loader="http", params={"columns": COLUMNS} | PAGING | params)
    seen = Http.preview(PreviewSpec(source=source), client.source())
    found = [(problem.code, problem.column, problem.severity) for problem in seen.problems]
    assert ("column_undeclared", "a", severity) in found
    assert {name: seen.params[name] for name in params} == params
    assert ("extra_columns" in seen.params) == ("extra_columns" in params)


def test_the_name_of_the_collecting_column_is_checked_at_its_place(client: Client) -> None:
    with pytest.raises(ParamsInvalid) as refused:
        client.loader(extra_columns="collect")
    assert [fault.loc for fault in refused.value.all_faults()] == [("extra_column",)]
    with pytest.raises(ParamsInvalid) as refused:
        client.loader(extra_columns="collect", extra_column="id")
    assert [fault.loc for fault in refused.value.all_faults()] == [("columns",)]
