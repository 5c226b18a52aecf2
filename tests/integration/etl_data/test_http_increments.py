"""What an API gives: exact values, only what is new, and how its first page looks."""

from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from services.etl.loaders._http_errors import PageRefused
from services.etl.loaders.http import Http
from services.etl.pipeline.errors import SourceChanged
from services.etl.pipeline.job import JobSource
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.identifiers import uuid7
from tests.integration.etl_data.apis import Client, answers

ROW = [{"id": 1}]


GROWING: dict[str, Any] = {
    "columns": [{"name": "id", "type": "int64"}, {"name": "at", "type": "timestamptz"}],
    "cursor_column": "at",
    "cursor_parameter": "since",
}


def test_the_next_run_sends_the_greatest_value_as_the_api_has_written_it(client: Client) -> None:
    rows = [
        {"id": 1, "at": "2026-01-01T10:00:00+02:00"},
        {"id": 2, "at": "2026-01-01T09:59:59Z"},
        {"id": 3, "at": None},
        {"id": 4, "at": "2026-01-01T10:30:00+01:00"},
    ]
    client.api.answer = answers(lambda: web.json_response(rows))
    first = client.read(**GROWING, cursor_start="2020")
    assert client.api.asked[0].query == {"since": "2020"}
    assert first.ids == [1, 2, 3, 4]
    assert first.cursor is not None
    again = client.read(cursor=first.cursor, **GROWING)
    assert client.api.asked[1].query == {"since": "2026-01-01T09:59:59Z"}
    assert again.cursor is None  # nothing is above it: it stays


@pytest.mark.parametrize(
    ("kind", "low", "high", "sent"),
    [
        ("int64", "9223372036854775806", "9223372036854775807", "9223372036854775807"),
        ("decimal(38,2)", "99", "123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        ("date", "2026-01-01", "2026-01-02", "2026-01-02"),
        ("text", "a", "b ", "b "),
        (
            "timestamptz",
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000001+00:00",
            "2026-01-01T00:00:00.000001Z",
        ),
    ],
)
def test_a_cursor_is_exact(client: Client, kind: str, low: str, high: str, sent: str) -> None:
    client.api.answer = answers(lambda: web.Response(text=f"v\n{high}\n{low}\n"))
    params: dict[str, Any] = {
        "format": "csv", "columns": [{"name": "v", "type": kind}],
        "cursor_column": "v", "cursor_parameter": "since",
    }  # fmt: skip
    first = client.read(**params)
    client.read(cursor=first.cursor, **params)
    assert client.api.asked[-1].query == {"since": sent}


@pytest.mark.parametrize(
    "kept", ["x", '{"column":"id","value":"1","sent":"1"}', '{"column":"at","value":"x"}']
)
def test_the_cursor_of_something_else_is_refused(client: Client, kept: str) -> None:
    with pytest.raises(SourceChanged, match="restart"):
        client.read(cursor=kept, **GROWING)


def test_a_run_that_fails_has_no_cursor(client: Client) -> None:
    client.api.answer = answers(lambda: web.json_response([{"id": 1, "at": "2026-01-01T00:00:00Z"}]))
    with client.loader(**GROWING, paging="page").open(client.source()) as reading:
        with pytest.raises(PageRefused):
            list(reading)
        assert reading.cursor is None


def test_numbers_are_exact_and_a_bad_value_costs_its_row(client: Client) -> None:
    client.api.answer = answers(lambda: web.Response(text='[{"n": 1234567890123456789.10}, {"n": "x"}]'))
    got = client.read(columns=[{"name": "n", "type": "decimal(21,2)"}])
    assert got.rows == [(Decimal("1234567890123456789.10"),)]
    ((file, row),) = got.rejected
    assert (file, row.record, row.column, row.raw) == ("page 1", 2, "n", '{"n": "x"}')


def look(client: Client, **params: Any) -> PreviewResult:
    given = {"resource_id": str(uuid7())} | params
    return Http.preview(PreviewSpec(source=JobSource(loader="http", params=given)), client.source())


@pytest.mark.parametrize(
    ("text", "form", "path"),
    [
        ('[{"id": 1}]', "json", None),
        ('{"a": [], "b": {"c.d": [{"id": 1}]}}', "json", 'b."c.d"'),
        ('{"id": 1}\n{"id": 2}\n', "json_lines", None),
        ("id;x\n1;2\n", "csv", None),
    ],
)
def test_a_preview_finds_the_form_and_the_records(
    client: Client, text: str, form: str, path: str | None
) -> None:
    client.api.answer = answers(lambda: web.Response(text=text))
    shown = look(client)
    assert (shown.params["format"], shown.params.get("records_path")) == (form, path)
    assert shown.columns[0].name == "id"
    assert Http.of(shown.params).columns_out().names[0] == "id"


def test_a_preview_tells_of_pages_that_would_be_left_out(client: Client) -> None:
    client.api.answer = answers(lambda: web.json_response(ROW, headers={"Link": '</2>; rel="next"'}))
    shown = look(client)
    assert ([problem.code for problem in shown.problems], shown.complete) == (["page_left_out"], False)
    assert look(client, paging="link").problems == []
    client.api.answer = answers(lambda: web.json_response({"rows": ROW, "nxt": "a"}))
    shown = look(client, paging="cursor", next_path="next")
    assert [problem.code for problem in shown.problems] == ["next_page_missing"]


def test_a_preview_of_records_that_are_all_bad_shows_why(client: Client) -> None:
    client.api.answer = answers(lambda: web.Response(text='[{"id": 1, "id": 2}]'))
    shown = look(client, paging="page")
    assert [problem.code for problem in shown.problems] == ["key_duplicate"]
    assert (shown.columns, shown.rows, shown.params["columns"]) == ([], [], [])
