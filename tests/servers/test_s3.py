"""The test server refuses what S3 would refuse: whoever passes its check has signed rightly."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import yarl

from shared.engines import _s3_signing as signing
from tests.servers.s3 import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server

BODY = b"a,b\n1,2\n"


@pytest.fixture
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


async def put(
    server: S3Server,
    *,
    path: str = "a%20b.csv?x=1&a=",
    signed_path: str = "a%20b.csv?x=1&a=",
    sent: bytes = BODY,
    added: dict[str, str] | None = None,
    late: timedelta = timedelta(0),
    secret: str = SECRET_KEY,
) -> tuple[int, str]:
    """A write whose signature is for something else than what is sent, if told so; the answer."""
    headers = signing.signed(
        "PUT",
        f"{server.url}/{BUCKET}/{signed_path}",
        headers={"x-amz-meta-run": "two  blanks"},
        payload_sha256=hashlib.sha256(BODY).hexdigest(),
        access_key=ACCESS_KEY,
        secret_key=secret,
        region=REGION,
        moment=datetime.now(UTC) - late,
    )
    url = yarl.URL(f"{server.url}/{BUCKET}/{path}", encoded=True)
    async with (
        aiohttp.ClientSession() as http,
        http.put(url, data=sent, headers={**headers, **(added or {})}) as answer,
    ):
        return answer.status, await answer.text()


async def test_what_is_signed_rightly_is_written(server: S3Server) -> None:
    assert (await put(server))[0] == 200
    assert server.objects["a b.csv"].content == BODY


async def test_what_is_signed_for_something_else_is_refused(server: S3Server) -> None:
    for answer, code in (
        (await put(server, path="other.csv?x=1&a="), "SignatureDoesNotMatch"),
        (await put(server, path="a%20b.csv?x=2&a="), "SignatureDoesNotMatch"),
        (await put(server, sent=b"another body"), "XAmzContentSHA256Mismatch"),
        (await put(server, secret="another"), "SignatureDoesNotMatch"),
        (await put(server, added={"x-amz-meta-run": "other"}), "SignatureDoesNotMatch"),
        (await put(server, added={"x-amz-meta-more": "unsigned"}), "AccessDenied"),
        (await put(server, added={"authorization": "AWS4-HMAC-SHA256 nonsense"}), "AccessDenied"),
        (await put(server, late=timedelta(minutes=16)), "RequestTimeTooSkewed"),
    ):
        assert answer[0] == 403
        assert f"<Code>{code}</Code>" in answer[1]
    assert server.objects == {}
