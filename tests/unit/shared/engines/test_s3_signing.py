"""Signatures as the manual of Amazon S3 has them: "Examples: Signature Calculations"."""

import hashlib
from datetime import UTC, datetime

import pytest

from shared.engines import _s3_signing as signing

MOMENT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "headers", "signature"),
    [
        (
            f"{HOST}/test.txt",
            {"Range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (f"{HOST}/?lifecycle=", {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            f"{HOST}/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_manuals_requests_get_the_manuals_signatures(
    url: str, headers: dict[str, str], signature: str
) -> None:
    sent = signing.signed(
        "GET",
        url,
        headers=headers,
        payload_sha256=signing.EMPTY_SHA256,
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        moment=MOMENT,
    )
    assert sent["authorization"].endswith(f"Signature={signature}")


def test_keys_are_encoded_as_the_manual_says() -> None:
    assert signing.encoded("a b/\u00e9+~", slash=True) == "a%20b/%C3%A9%2B~"
    assert signing.encoded("a/b=") == "a%2Fb%3D"


@pytest.mark.parametrize(
    ("key", "query", "signature"),
    [
        ("a b+c&d=e.csv", {}, "a3b23ca78db30ac95a3af06cf65631a7c487d6adcac6954d09c04ab754674420"),
        (
            "q'\"<>",
            {"partNumber": "2", "uploadId": "a/b+c="},
            "4fe0ae99d818d9e8488e8e29bf16bab1c1965a452ca9f1005ead686f5136c090",
        ),
        (
            "",
            {"list-type": "2", "prefix": "a b/\u00e9", "max-keys": "3", "encoding-type": "url"},
            "12722ab59f523787bbf107abcaed432abc24773f31f475233ea5c133d48f037f",
        ),
        (
            "a//b",
            {"a": "1", "a-b": "2"},
            "71c912ccc8490b4d1e14f1ea7ef630dea429b3c5ac448b8a2e300981a7f5a87d",
        ),
    ],
)
def test_odd_requests_get_the_signatures_that_amazons_own_client_gives_them(
    key: str, query: dict[str, str], signature: str
) -> None:
    asked = "&".join(f"{signing.encoded(name)}={signing.encoded(value)}" for name, value in query.items())
    url = f"https://h.example:9000/goods/{signing.encoded(key, slash=True)}"
    sent = signing.signed(
        "PUT",
        f"{url}?{asked}" if asked else url,
        headers={"x-amz-meta-j": '{"a":  1}', "if-match": '"abc"'},
        payload_sha256=hashlib.sha256(b"hello").hexdigest(),
        access_key="AK",
        secret_key="SK",
        region="eu-1",
        moment=datetime(2026, 11, 23, 12, tzinfo=UTC),
    )
    assert sent["authorization"].endswith(f"Signature={signature}")
