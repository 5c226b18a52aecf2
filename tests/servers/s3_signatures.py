"""Whether a request to S3 was signed by who holds the secret key: worked out from the request alone.

After "Authenticating Requests (AWS Signature Version 4)" of Amazon's manual, from the server's side: nothing
here is shared with the code that signs.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from aiohttp import web

_PROOF = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<scope>[^,]+), ?"
    r"SignedHeaders=(?P<names>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW = timedelta(minutes=15)


class Unsigned(Exception):
    """The request is refused; the text is S3's code for it."""


def check(request: web.Request, body: bytes, *, keys: dict[str, str], region: str) -> None:
    """Raise Unsigned unless the request is signed, whole and in time, with one of the keys."""
    proof = _PROOF.fullmatch(request.headers.get("Authorization", ""))
    if proof is None:
        raise Unsigned("AccessDenied")
    if proof["key"] not in keys:
        raise Unsigned("InvalidAccessKeyId")
    moment = request.headers.get("x-amz-date", "")
    _check_moment(moment)
    if proof["scope"] != f"{moment[:8]}/{region}/s3/aws4_request":
        raise Unsigned("AuthorizationHeaderMalformed")
    names = proof["names"].split(";")
    if names != sorted(names) or not _needed(request) <= set(names):
        raise Unsigned("AccessDenied")
    if request.headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
        raise Unsigned("XAmzContentSHA256Mismatch")
    told = f"AWS4-HMAC-SHA256\n{moment}\n{proof['scope']}\n" + _digest(_canonical(request, names, body))
    key = b"AWS4" + keys[proof["key"]].encode()
    for part in proof["scope"].split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    right = hmac.new(key, told.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right, proof["signature"]):
        raise Unsigned("SignatureDoesNotMatch")


def _check_moment(moment: str) -> None:
    try:
        sent = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Unsigned("AccessDenied") from None
    if abs(datetime.now(UTC) - sent) > _SKEW:
        raise Unsigned("RequestTimeTooSkewed")


def _needed(request: web.Request) -> set[str]:
    """Headers that have to be signed."""
    return {"host"} | {name.lower() for name in request.headers if name.lower().startswith("x-amz-")}


def _canonical(request: web.Request, names: list[str], body: bytes) -> str:
    parts = urlsplit(request.raw_path)
    asked = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)
    )
    lines = [request.method, quote(unquote(parts.path), safe="/-_.~")]
    lines.append("&".join(f"{name}={value}" for name, value in asked))
    for name in names:
        values = ",".join(request.headers.getall(name))
        lines.append(f"{name}:{re.sub(' +', ' ', values.strip())}")
    return "\n".join([*lines, "", ";".join(names), hashlib.sha256(body).hexdigest()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
