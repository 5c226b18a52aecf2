"""Signing of requests to S3: AWS Signature Version 4 with the payload left unsigned or hashed.

After the manual of Amazon S3, "Authenticating Requests: Using the Authorization Header". Requests are sent
by our own session, because that is the one whose every address is checked.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def signed(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    payload_sha256: str,
    access_key: str,
    secret_key: str,
    region: str,
    moment: datetime,
) -> dict[str, str]:
    """The headers with those that sign them. `url` has its path and query encoded as `encoded` does."""
    parts, day = urlsplit(url), f"{moment:%Y%m%d}"
    stamped = {name.lower(): value.strip() for name, value in headers.items()}
    stamped |= {
        "host": parts.netloc,
        "x-amz-content-sha256": payload_sha256,
        "x-amz-date": f"{moment:%Y%m%dT%H%M%SZ}",
    }
    names = ";".join(sorted(stamped))
    canonical = "\n".join([
        method,
        parts.path or "/",
        "&".join(sorted(parts.query.split("&"), key=lambda pair: pair.split("=", 1))),
        *(f"{name}:{' '.join(stamped[name].split())}" for name in sorted(stamped)),
        "",
        names,
        payload_sha256,
    ])  # fmt: skip
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamped['x-amz-date']}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    proof = f"AWS4-HMAC-SHA256 Credential={access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return stamped | {"authorization": proof}


def encoded(text: str, *, slash: bool = False) -> str:
    """A key or a value of the query as signatures want it; `slash`: slashes stay."""
    return quote(text, safe="-_.~/" if slash else "-_.~")
