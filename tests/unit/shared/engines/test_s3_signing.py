"""Signatures as the manual of Amazon S3 has them: "Examples: Signature Calculations"."""

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
