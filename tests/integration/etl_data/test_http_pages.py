"""From page to page of an API, whatever way it has, and how that ends."""

from typing import Any

import pytest
from aiohttp import web

from services.etl.loaders._http_errors import PageRefused
from services.etl.pipeline.errors import SourceInvalid
from tests.integration.etl_data.apis import Client, answers, of

ROWS = [{"id": at} for at in range(1, 8)]


def test_pages_by_number_end_with_an_empty_one(client: Client) -> None:
    client.api.answer = of([ROWS[:3], ROWS[3:5], ROWS[5:]])  # a short page is no end
    got = client.read(paging="page", page_parameter="page", path="/goods?kind=a")
    assert got.ids == [1, 2, 3, 4, 5, 6, 7]
    assert got.files == ["page 1"] * 3 + ["page 2"] * 2 + ["page 3"] * 2
    assert got.records == [1, 2, 3, 4, 5, 6, 7]
    assert [asked.query for asked in client.api.asked] == [
        {"kind": "a", "page": str(page)} for page in (1, 2, 3, 4)
    ]


def test_a_short_page_ends_them_where_that_is_declared(client: Client) -> None:
    client.api.answer = of([ROWS[:3], ROWS[3:5], ROWS[5:]])
    got = client.read(paging="page", last_page="short", page_size=3, size_parameter="limit")
    assert got.ids == [1, 2, 3, 4, 5]
    assert [asked.query["limit"] for asked in client.api.asked] == ["3", "3"]


def test_an_offset_grows_by_what_came_and_not_by_what_was_asked_for(client: Client) -> None:
    async def capped(request: web.Request) -> web.StreamResponse:
        start = int(request.query["skip"])
        return web.json_response({"value": ROWS[start : start + 2]})

    client.api.answer = capped
    got = client.read(
        paging="offset", page_parameter="skip", page_size=5, size_parameter="top", records_path="value"
    )
    assert got.ids == [1, 2, 3, 4, 5, 6, 7]
    assert [asked.query["skip"] for asked in client.api.asked] == ["0", "2", "4", "6", "7"]


@pytest.mark.parametrize("end", [None, "", False, "missing"])
def test_a_cursor_leads_on_until_there_is_none(client: Client, end: Any) -> None:
    last = {} if end == "missing" else {"next": end}
    client.api.answer = answers(
        web.json_response({"meta": {"next": "a b&c/\u00fc"}, "data": ROWS[:2]}),
        lambda: web.json_response({"data": [], "meta": {"next": 17}}),
        lambda: web.json_response({"data": ROWS[2:3], "meta": last}),
    )
    got = client.read(
        paging="cursor", next_path="meta.next", page_parameter="after", records_path="data",
        query={"sort": "id"},
    )  # fmt: skip
    assert got.ids == [1, 2, 3]  # an empty page in between is no end
    assert [asked.query for asked in client.api.asked] == [
        {"sort": "id"}, {"sort": "id", "after": "a b&c/\u00fc"}, {"sort": "id", "after": "17"},
    ]  # fmt: skip


def test_an_empty_page_ends_cursors_where_that_is_declared(client: Client) -> None:
    client.api.answer = answers(
        web.json_response({"next": "x", "data": ROWS[:2]}),
        lambda: web.json_response({"next": "x", "data": []}),
    )
    read: dict[str, Any] = {"paging": "cursor", "next_path": "next", "records_path": "data"}
    assert client.read(**read, last_page="empty").ids == [1, 2]
    client.api.answer = answers(lambda: web.json_response({"next": "x", "data": []}))
    with pytest.raises(PageRefused, match="On page 2: The API goes in a circle: a cursor came twice"):
        client.read(**read)


@pytest.mark.parametrize(
    "link",
    [
        '<{url}?page=2>; rel="next"',
        '<{url}?page=9>; rel="last", </?page=2>; title="a, b; rel=next>"; REL="prev Next"',
        '<{url}?page=8>; rel=next; anchor="#other", <?page=2>; rel=next',
        ",  <?page=2>;rel = next ;x",
    ],
)
def test_the_next_link_is_followed(client: Client, link: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "page" in request.query:
            assert request.query["page"] == "2"
            return web.json_response(ROWS[2:4], headers={"Link": '</>; rel="first"'})
        first = web.json_response(ROWS[:2])
        first.headers.add("Link", '<?page=7>; rel="prev"')
        first.headers.add("Link", link.format(url=client.api.url))
        return first

    client.api.answer = answer
    assert client.read(paging="link").ids == [1, 2, 3, 4]


def test_a_url_in_the_answer_is_followed_with_the_credentials(client: Client) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        after = int(request.query.get("after", 0))
        following = f"/goods?key=old&after={after + 2}&x=%2F" if after < 4 else None
        return web.json_response({"rows": ROWS[after : after + 2], "links": [{"href": following}]})

    client.api.answer = answer
    auth = {"auth": "query", "token": "s3cret", "token_name": "key"}
    got = client.read(
        paging="next_url", next_path="links[0].href", records_path="rows", path="/goods", auth=auth
    )
    assert got.ids == [1, 2, 3, 4, 5, 6]
    assert [asked.query for asked in client.api.asked] == [
        {"key": "s3cret"},
        {"after": "2", "x": "/", "key": "s3cret"},
        {"after": "4", "x": "/", "key": "s3cret"},
    ]  # fmt: skip


FOREIGN = [
    ("http://localhost:{port}/", "another origin"),
    ("http://127.0.0.1:1/", "another origin"),
    ("//evil.example/x", "another origin"),
    ("https://127.0.0.1:{port}/", "another origin"),
    ("http://me:pw@127.0.0.1:{port}/", "names a user"),
    ("http://127.0.0.1:{port}@evil.example/", "names a user"),
    ("file:///etc/passwd", "another origin"),
    ("http://127.0.0.1:99999/", "no URL"),
    ("http://[::broken/", "no URL"),
    ("/" + "x" * 9000, "longer than 8000"),
]


@pytest.mark.parametrize(("told", "reason"), FOREIGN)
def test_a_url_that_leads_elsewhere_is_not_asked(client: Client, told: str, reason: str) -> None:
    port = client.api.url.rpartition(":")[2]
    client.api.answer = answers(web.json_response({"next": told.format(port=port), "rows": ROWS[:1]}))
    with pytest.raises(PageRefused, match=reason) as refused:
        client.read(paging="next_url", next_path="next", records_path="rows")
    assert "evil" not in str(refused.value)
    assert len(client.api.asked) == 1


def test_what_a_url_may_not_hold_is_escaped(client: Client) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        following = None if request.query else "/?a=\u00fc b\r\nX-Evil: 1#part"
        return web.json_response({"next": following, "rows": []})

    client.api.answer = answer
    client.read(paging="next_url", next_path="next", records_path="rows")
    assert client.api.asked[1].query == {"a": "\u00fc b\r\nX-Evil: 1"}
    assert "X-Evil" not in client.api.asked[1].headers


@pytest.mark.parametrize("paging", ["page", "offset"])
def test_a_page_that_comes_again_is_no_page_but_an_error(client: Client, paging: str) -> None:
    client.api.answer = answers(lambda: web.json_response(ROWS))
    with pytest.raises(PageRefused, match="On page 2: The API goes in a circle: a page came twice"):
        client.read(paging=paging)


def test_a_next_url_that_comes_again_is_an_error(client: Client) -> None:
    client.api.answer = answers(lambda: web.json_response([], headers={"Link": '</x>; rel="next"'}))
    with pytest.raises(PageRefused, match=r"On page 2: .*a URL of a next page came twice"):
        client.read(paging="link")


def test_more_pages_than_the_limit_are_never_cut_off_silently(client: Client) -> None:
    client.api.answer = of([ROWS[:3], ROWS[3:5], ROWS[5:]])
    assert client.read(paging="page", max_pages=4).ids == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(PageRefused, match="more than 3 pages"):
        client.read(paging="page", max_pages=3)


@pytest.mark.parametrize("value", [{"a": 1}, [1], True])
def test_a_cursor_that_is_no_plain_value_is_an_error(client: Client, value: Any) -> None:
    client.api.answer = answers(web.json_response({"next": value, "rows": []}))
    with pytest.raises(PageRefused, match="no text and no number"):
        client.read(paging="cursor", next_path="next", records_path="rows")


@pytest.mark.parametrize("paging", ["cursor", "next_url"])
def test_half_a_character_leads_to_no_page(client: Client, paging: str) -> None:
    client.api.answer = answers(lambda: web.Response(text='{"next": "/a\\ud800", "rows": []}'))
    with pytest.raises(PageRefused, match="half a character"):
        client.read(paging=paging, next_path="next", records_path="rows")


def test_parameters_go_into_the_body_at_their_paths(client: Client) -> None:
    client.api.answer = answers(
        web.Response(text='{"after": 12345678901234567890.50, "rows": [{"id": 1}]}'),
        lambda: web.json_response({"rows": [{"id": 2}]}),
    )
    got = client.read(
        method="POST", body={"query": "{ goods }", "variables": {"kind": "a"}}, parameters_in="body",
        paging="cursor", page_parameter="variables.after", size_parameter="variables.first", page_size=2,
        next_path="after", records_path="rows", headers={"X-Version": "2"},
    )  # fmt: skip
    assert got.ids == [1, 2]
    first, second = client.api.asked
    assert first.body == {"query": "{ goods }", "variables": {"kind": "a", "first": 2}}
    assert second.body["variables"]["after"] == float("12345678901234567890.5")
    assert (second.method, second.headers["X-Version"], second.query) == ("POST", "2", {})


def test_next_lies_behind_more_rows_than_a_block_holds(client: Client) -> None:
    rows = [{"id": at, "note": "x" * 1000} for at in range(3000)]
    client.api.answer = answers(
        web.json_response({"rows": rows, "next": "a"}), lambda: web.json_response({"rows": []})
    )
    got = client.read(paging="cursor", next_path="next", records_path="rows")
    assert got.ids == list(range(3000))
    assert len(client.api.asked) == 2


@pytest.mark.parametrize("form", ["json_lines", "csv"])
def test_other_forms_have_pages_too(client: Client, form: str) -> None:
    line = '{{"id":{}}}\n' if form == "json_lines" else "{}\n"
    head = "" if form == "json_lines" else "id\n"
    client.api.answer = answers(
        web.Response(text=head + "".join(line.format(at) for at in (1, 2))),
        lambda: web.Response(text=head + line.format(3)),
        lambda: web.Response(text=head),
    )
    assert client.read(paging="page", format=form).ids == [1, 2, 3]


def test_an_answer_without_content_has_no_rows(client: Client) -> None:
    client.api.answer = answers(web.Response(status=204))
    assert client.read(paging="page").rows == []


def test_an_answer_that_is_no_json_names_its_page(client: Client) -> None:
    client.api.answer = answers(web.json_response(ROWS), lambda: web.Response(text="<html>"))
    with pytest.raises(SourceInvalid, match="On page 2: The file is no JSON of the declared layout"):
        client.read(paging="page")
