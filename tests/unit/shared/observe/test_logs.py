"""Log lines hold no secret, and one entry can't pass for two."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from shared.observe import context, logs, redaction

SECRET = 'c0rrect "horse"\n\\bättery'


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No secrets known from elsewhere, and the root logger as it was."""
    monkeypatch.setattr(redaction, "_secrets", redaction._Secrets())
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def log(stream: io.StringIO) -> Any:
    logs.configure("shop", level="DEBUG", stream=stream)
    return logs.get("tests.shop")


def test_a_line_is_a_json_object_with_time_level_event_and_facts(log: Any, stream: io.StringIO) -> None:
    log.info("article_sold", article=7, price=1.5, tags=["a"], when=None)
    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "article_sold",
        "logger": "tests.shop",
        "service": "shop",
        "article": 7,
        "price": 1.5,
        "tags": ["a"],
        "when": None,
    }


def test_levels_below_the_configured_one_are_left_out(stream: io.StringIO) -> None:
    logs.configure("shop", level="WARNING", stream=stream)
    logs.get("tests.shop").info("quiet")
    logs.get("tests.shop").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_configuring_twice_writes_lines_once(log: Any, stream: io.StringIO) -> None:
    logs.configure("shop", stream=stream)
    log.info("once")
    assert len(lines(stream)) == 1


def test_lines_of_libraries_have_the_same_form(log: Any, stream: io.StringIO) -> None:
    logging.getLogger("library").warning("pool %s is %d %% full", "x", 90)
    [line] = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("pool x is 90 % full", "library", "warning")


def test_warnings_are_logged(log: Any, stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", UserWarning, stacklevel=1)
    assert "old thing" in lines(stream)[0]["event"]


def test_lines_carry_what_the_task_works_for(log: Any, stream: io.StringIO) -> None:
    token = context.REQUEST_ID.set("r-1")
    log.info("inside")
    logging.getLogger("library").warning("inside too")
    context.REQUEST_ID.reset(token)
    log.info("outside")
    assert [line.get("request_id") for line in lines(stream)] == ["r-1", "r-1", None]


class Shy:
    def __repr__(self) -> str:
        return f"<Shy {SECRET}>"


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        f"before {SECRET} after",
        {"deep": [{"er": SECRET}]},
        {SECRET: 1},
        (SECRET,),
        {SECRET},
        SECRET.encode(),
        Shy(),
        [Shy()],
        repr(SECRET),
        json.dumps(SECRET),
        json.dumps({"a": SECRET}, ensure_ascii=False),
        "https://x/?q=c0rrect%20%22horse%22%0A%5Cb%C3%A4ttery",
        "q=c0rrect+%22horse%22%0A%5Cb%C3%A4ttery",
    ],
    ids=range(14),
)
def test_a_known_secret_is_in_no_line_however_it_is_written(
    stream: io.StringIO, value: object, *, text: bool
) -> None:
    logs.configure("shop", stream=stream, text=text)
    logs.redact(SECRET)
    logs.get("x").info("event", fact=value)
    logging.getLogger("library").warning("value %s", value)
    logging.getLogger("library").warning(value)
    written = stream.getvalue()
    assert "horse" not in written
    assert "ttery" not in written
    assert redaction.MASK in written


@pytest.mark.parametrize("text", [False, True])
def test_secrets_in_exceptions_are_masked_with_causes_and_groups(stream: io.StringIO, *, text: bool) -> None:
    logs.configure("shop", stream=stream, text=text)
    logs.redact(SECRET)
    error = ExceptionGroup("group", [RuntimeError(f"part {SECRET}")])
    error.__cause__ = ValueError(f"cause {SECRET}")
    error.add_note(f"note {SECRET}")
    logs.get("x").error("failed", exc_info=error)
    logging.getLogger("library").warning("failed too", exc_info=error)
    logging.getLogger("library").critical("by hand", exc_info=(type(error), error, None))
    written = stream.getvalue()
    assert written.count("RuntimeError: part") == 3
    assert "horse" not in written
    assert "ttery" not in written


def test_local_variables_are_not_logged(log: Any, stream: io.StringIO) -> None:
    def fail(hidden: str) -> None:
        raise RuntimeError(len(hidden))

    try:
        fail("very-" + "local")
    except RuntimeError:
        log.exception("failed")
    assert "fail(" in stream.getvalue()
    assert "very-local" not in stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        *("password", "new_password", "client_secret", "access_token", "token", "Authorization", "cookie"),
        *("api_key", "apikey", "private_key", "master_key", "passphrase", "credentials"),
    ],
)
def test_values_under_telling_names_are_masked_at_any_depth(log: Any, stream: io.StringIO, key: str) -> None:
    log.info("event", **{key: "xyzzy"}, inner={"list": [{key: {"a": "xyzzy"}}]})
    assert "xyzzy" not in stream.getvalue()


def test_ordinary_names_are_left_alone(log: Any, stream: io.StringIO) -> None:
    log.info("event", token_type="bearer", table_key="abc", tokens=7, keys=["a"])
    [line] = lines(stream)
    assert (line["token_type"], line["table_key"], line["tokens"], line["keys"]) == (
        "bearer",
        "abc",
        7,
        ["a"],
    )


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl end", "token [redacted] end"),
        ("postgresql://user:hunter2@db/x", "postgresql://[redacted]@db/x"),
        (
            "postgresql://user:hunter2@db/x and amqp://a:b@c",
            "postgresql://[redacted]@db/x and amqp://[redacted]@c",
        ),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer [redacted]"),
        ("basic dXNlcjpwYXNz", "basic [redacted]"),
        ("http://db:5432/path", "http://db:5432/path"),
        ("[SQL: SELECT *\nFROM t]\n[SQL parameters hidden]", "[SQL: [redacted]]\n[SQL parameters hidden]"),
        ("DETAIL:  Key (name)=(secret) exists.\nnext", "DETAIL: [redacted]\nnext"),
    ],
)
def test_telling_shapes_are_masked(log: Any, stream: io.StringIO, value: str, masked: str) -> None:
    log.info("event", fact=value)
    assert lines(stream)[0]["fact"] == masked


def test_short_secrets_are_masked_as_words_only(log: Any, stream: io.StringIO) -> None:
    logs.redact("ab")
    log.info("about", fact="is ab. not about", number=12)
    [line] = lines(stream)
    assert (line["event"], line["fact"]) == ("about", "is [redacted]. not about")


def test_a_secret_made_of_digits_is_masked_as_a_number_too(log: Any, stream: io.StringIO) -> None:
    logs.redact("12345678")
    log.info("event", number=12345678, text="x12345678x")
    assert "12345678" not in stream.getvalue()
    assert len(lines(stream)) == 1


def test_the_longer_of_two_secrets_is_masked_whole(log: Any, stream: io.StringIO) -> None:
    logs.redact("hunter")
    logs.redact("hunter2-with-more")
    log.info("event", fact="hunter2-with-more")
    assert lines(stream)[0]["fact"] == redaction.MASK


def test_an_empty_secret_is_none(log: Any, stream: io.StringIO) -> None:
    logs.redact("")
    log.info("event", fact="text")
    assert lines(stream)[0]["fact"] == "text"


def test_the_oldest_secrets_are_forgotten_beyond_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_MOST_SECRETS", 3)
    for number in range(5):
        logs.redact(f"secret-{number}")
    assert redaction.clean_text("secret-1 secret-4") == f"secret-1 {redaction.MASK}"


FORGERY = 'x\n{"event": "forged"}\r\n2026 ERROR forged\x1b[2K\x1b[1A\u2028forged\x85\u202e'


@pytest.mark.parametrize("text", [False, True])
def test_no_value_can_begin_a_line_of_its_own(stream: io.StringIO, *, text: bool) -> None:
    logs.configure("shop", stream=stream, text=text)
    logs.get("x").info(FORGERY, **{FORGERY: FORGERY}, deep=[{FORGERY: FORGERY}])
    logging.getLogger(FORGERY).warning("%s", FORGERY)
    written = stream.getvalue()
    assert len(written.splitlines()) == 2 or not text
    assert written.count("\n") == 2
    assert "\x1b" not in written
    if text:
        assert not any(character in written for character in "\u2028\x85\u202e\r")


def test_forged_lines_in_exceptions_are_marked_as_parts_of_a_stack(stream: io.StringIO) -> None:
    logs.configure("shop", stream=stream, text=True)
    error = ValueError("x\n12:00:00.000 info     forged\x1b[2K")
    logs.get("x").error("failed", exc_info=error)
    first, *rest = stream.getvalue().splitlines()
    assert "failed" in first
    assert all(line.startswith("  | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


def test_text_shows_facts_as_pairs(stream: io.StringIO) -> None:
    logs.configure("shop", stream=stream, text=True)
    logs.get("x").info("sold", article=7, buyer='A "big" one')
    assert stream.getvalue().rstrip().endswith(r'article=7 buyer="A \"big\" one" logger=x service=shop')


def test_a_value_that_cannot_be_shown_does_not_break_the_line(log: Any, stream: io.StringIO) -> None:
    log.info("event", bad=Bad(), loop=sys, big=2**200, nan=float("nan"))
    [line] = lines(stream)
    assert "can't be shown" in line["bad"]


def test_a_value_that_holds_itself_is_cut_off(log: Any, stream: io.StringIO) -> None:
    loop: list[Any] = []
    loop.append(loop)
    log.info("event", loop=loop)
    assert len(lines(stream)) == 1


def test_lone_surrogates_do_not_break_the_line(log: Any, stream: io.StringIO) -> None:
    log.info("event", text="\ud800")
    assert len(lines(stream)) == 1
