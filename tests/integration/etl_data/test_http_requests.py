"""Asking an API: who asks, how often, how fast, how much; and what is told when it does not answer."""

import asyncio
import gzip
import threading
from typing import Any

import orjson
import pytest
from aiohttp import web

from services.etl.loaders import _http_requests
from services.etl.loaders._http_errors import PageRefused
from services.etl.pipeline.errors import JobCancelled, SourceBusy
from shared.engines.errors import ConnectRefused
from shared.security.guard import OutboundPolicy
from tests.integration.etl_data.apis import Client, answers

ROW = [{"id": 1}]


@pytest.fixture(autouse=True)
def quick_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http_requests, "BACKOFF_SECONDS", 0.01)


def status(code: int, **headers: str) -> Any:
    return lambda: web.Response(
        status=code, headers={name.replace("_", "-"): to for name, to in headers.items()}
    )


def page() -> web.Response:
    return web.json_response(ROW)


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_trouble_that_passes_is_waited_for(client: Client, code: int) -> None:
    client.api.answer = answers(status(code), status(code), page)
    assert client.read().ids == [1]
    assert len(client.api.asked) == 3


def test_an_answer_that_breaks_off_is_asked_for_again(client: Client) -> None:
    times = []

    async def cut(request: web.Request) -> web.StreamResponse:
        times.append(1)
        if len(times) > 1:
            return page()
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b'[{"id": 1},')
        assert request.transport is not None
        request.transport.abort()
        return answer

    client.api.answer = cut
    got = client.read()
    assert (got.ids, got.bytes_read) == ([1], len(orjson.dumps(ROW)) + 1)


def test_after_the_last_attempt_the_run_may_be_tried_again(client: Client) -> None:
    client.api.answer = answers(status(503))
    with pytest.raises(SourceBusy, match=r"page 1 of the API: it answers with status 503 \(3 attempts\)"):
        client.read(attempts=3)
    assert len(client.api.asked) == 3


def test_an_api_is_left_alone_as_long_as_it_asks(client: Client) -> None:
    client.api.answer = answers(status(429, Retry_After="1"), page)
    assert client.read().ids == [1]
    first, second = client.api.asked
    assert second.moment - first.moment >= 1
    client.api.answer = answers(status(429, Retry_After="86400"))
    with pytest.raises(SourceBusy, match="left alone for 86400 seconds"):
        client.read()


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("7", 7, 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0), ("Wed, 21 Oct 2099 07:28:00 GMT", 1e9, 1e11)],
)
def test_when_to_come_again_is_a_number_or_a_date(text: str, low: float, high: float) -> None:
    wait = _http_requests.wanted_wait(text)
    assert wait is not None
    assert low <= wait <= high


@pytest.mark.parametrize(
    "text",
    [
        None, "soon", "-1", "1.5", "\u0661", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    ],
)  # fmt: skip
def test_what_is_no_time_to_wait_is_not_waited_for(text: str | None) -> None:
    assert _http_requests.wanted_wait(text) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "refuses who we are"),
        (403, "does not let us read"),
        (404, "nothing at this path"),
        (206, "status 206"),
        (304, "elsewhere"),
    ],
)
def test_a_refusal_is_told_in_words_at_once_and_without_secrets(
    client: Client, code: int, words: str
) -> None:
    client.api.answer = answers(lambda: web.Response(status=code, text=None if code == 304 else "s3cret"))
    with pytest.raises(PageRefused, match=words) as refused:
        client.read(auth={"auth": "query", "token": "s3cret", "token_name": "key"}, path="/hidden")
    told = f"{refused.value} {refused.value.all_faults()}"
    assert "page 1" in told
    assert "s3cret" not in told
    assert "hidden" not in told
    assert len(client.api.asked) == 1


WHO = [
    ({"auth": "basic", "user": "me", "password": "pw"}, "Authorization", "Basic bWU6cHc="),
    ({"auth": "bearer", "token": "t"}, "Authorization", "Bearer t"),
    ({"auth": "header", "token": "t", "token_name": "X-Shop"}, "X-Shop", "t"),
]


@pytest.mark.parametrize(("auth", "name", "value"), WHO)
def test_who_asks_is_said_by_the_resource_alone(
    client: Client, auth: dict[str, Any], name: str, value: str
) -> None:
    client.api.answer = answers(page)
    client.read(auth=auth, headers={"x-shop": "mine", "accept": "text/x"})
    assert client.api.asked[0].headers[name] == value
    assert client.api.asked[0].headers["Accept"] == "text/x"


def test_answers_have_limits_also_when_they_are_packed(client: Client) -> None:
    packed = gzip.compress(b"[" + b" " * (3 << 20) + b"]")
    client.api.answer = answers(lambda: web.Response(body=packed, headers={"Content-Encoding": "gzip"}))
    assert client.read().ids == []
    with pytest.raises(PageRefused, match="longer than 2 MiB"):
        client.read(max_page_mib=2)
    with pytest.raises(PageRefused, match="together are longer than 2 MiB"):
        client.read(max_total_mib=2)


def test_requests_keep_their_pace(client: Client) -> None:
    client.api.answer = answers(page, *[lambda at=at: web.json_response([{"id": at}]) for at in (2, 3)],
                                lambda: web.json_response([]))  # fmt: skip
    assert client.read(paging="page", requests_per_second=20).ids == [1, 2, 3]
    moments = [asked.moment for asked in client.api.asked]
    assert moments[-1] - moments[0] >= 3 / 20 * 0.9


def test_a_forbidden_address_is_not_asked(client: Client) -> None:
    with (
        client.loader().open(client.source(policy=OutboundPolicy())) as reading,
        pytest.raises(ConnectRefused),
    ):
        list(reading)
    assert client.api.asked == []


def test_a_request_under_way_ends_when_the_run_does(client: Client) -> None:
    begun = threading.Event()

    async def never(_request: web.Request) -> web.StreamResponse:
        begun.set()
        await asyncio.sleep(60)
        return page()

    client.api.answer = never
    errors: list[BaseException] = []

    def read() -> None:
        try:
            list(reading)
        except JobCancelled as error:
            errors.append(error)

    with client.loader().open(client.source()) as reading:
        thread = threading.Thread(target=read)
        thread.start()
        assert begun.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert list(client.scratch.iterdir()) == []
