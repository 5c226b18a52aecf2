"""What a store's refusals come to: may it pass, at which step, in which words."""

import pickle

import pytest

from shared.engines import _s3_answers as answers
from shared.engines.errors import ConnectFailedForNow, ConnectRefused


def refused(status: int, code: str = "", *, key: str = "a.csv", **headers: str) -> Exception:
    text = f"<Error><Code>{code}</Code><Message>secret</Message></Error>".encode() if code else b""
    return answers.refusal(
        status, {name.replace("_", "-"): told for name, told in headers.items()}, text, key=key
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"), (503, "SlowDown"), (502, ""), (429, ""), (408, ""),
        (400, "RequestTimeout"), (400, "BadDigest"), (409, "ConditionalRequestConflict"),
    ],
)  # fmt: skip
def test_trouble_may_pass(status: int, code: str) -> None:
    assert isinstance(refused(status, code), ConnectFailedForNow)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "RequestTimeTooSkewed", "clocks"),
        (403, "AccessDenied", "may not do this"),
        (403, "", "refuses these keys"),
        (403, "InvalidObjectState", "archived"),
        (401, "Whatever", "refuses these keys"),
        (404, "NoSuchBucket", "no such bucket"),
        (301, "PermanentRedirect", "another region"),
        (307, "", "another region"),
        (400, "AuthorizationHeaderMalformed", "another region"),
        (400, "MalformedXML", "status 400"),
        (501, "NotImplemented", "doesn't know this operation"),
        (501, "", "status 501"),
    ],
)
def test_what_trying_again_does_not_change_is_named(status: int, code: str, words: str) -> None:
    error = refused(status, code)
    assert isinstance(error, ConnectRefused)
    assert words in str(error)
    assert "secret" not in str(error).replace("secret key", "")


def test_the_region_is_told_where_the_store_tells_it() -> None:
    assert "'eu-west-1'" in str(refused(301, x_amz_bucket_region="eu-west-1"))
    assert "<script>" not in str(refused(301, x_amz_bucket_region="<script>"))


def test_a_missing_object_and_a_changed_one_are_errors_of_their_own() -> None:
    missing, changed = refused(404, "NoSuchKey"), refused(412, key="k" * 500)
    assert isinstance(missing, answers.ObjectMissing)
    assert isinstance(changed, answers.ObjectChanged)
    assert "'a.csv'" in str(missing)
    assert len(str(changed)) < 400
    assert isinstance(refused(404, key=""), ConnectRefused)
    assert str(pickle.loads(pickle.dumps(changed))) == str(changed)


@pytest.mark.parametrize("text", [b"", b"<a>", b"no", b"<!DOCTYPE a><a/>", b"\xff\xfe"])
def test_what_is_no_tree_is_no_answer(text: bytes) -> None:
    with pytest.raises(ConnectRefused, match="no answer of S3"):
        answers.tree(text)
    assert isinstance(answers.refusal(403, {}, text, key="a"), ConnectRefused)


def test_an_error_may_come_with_a_status_of_success() -> None:
    failed = answers.failure_in(answers.tree(b"<Error xmlns='x'><Code>InternalError</Code></Error>"))
    assert isinstance(failed, ConnectFailedForNow)
    assert answers.failure_in(answers.tree(b"<ListBucketResult/>")) is None
