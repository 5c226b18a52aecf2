"""What a store of objects answers: trees without name spaces, and refusals in words that quote nothing."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused
from shared.engines.network import Known

ANSWER_BYTES: Final = 8 << 20
"""A list of a thousand keys of a thousand bytes, escaped, is well below."""

_SHOWN: Final = 200
_TROUBLE: Final = frozenset({
    HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
})  # fmt: skip
_FOR_NOW: Final = frozenset({"RequestTimeout", "BadDigest", "SlowDown"})
_FOREIGN: Final = Known("database", "the store's answer is no answer of S3")
_KEYS: Final = Known(
    "authenticate", "the store refuses these keys, or this use of the bucket",
    "Check the keys, the region and what they are allowed to do.",
)  # fmt: skip
_REGION: Final = Known("database", "the bucket lies in another region", "Check region and endpoint.")
_BUCKET: Final = Known("database", "there is no such bucket", "Check bucket, endpoint and region.")
_NAMED: Final[Mapping[str, Known]] = {
    "InvalidAccessKeyId": Known("authenticate", "the store doesn't know the access key"),
    "SignatureDoesNotMatch": Known(
        "authenticate", "the secret key doesn't belong to the access key", "Check both keys and the region."
    ),
    "AccessDenied": Known(
        "authenticate", "the keys may not do this in the bucket", "Check what they are allowed to do."
    ),
    "RequestTimeTooSkewed": Known(
        "authenticate", "the clocks of the store and of Penstock differ by minutes", "Set the clocks right."
    ),
    "ExpiredToken": Known("authenticate", "the keys have expired"),
    "NoSuchBucket": _BUCKET,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidObjectState": Known("database", "it is archived", "Restore the object in the store first."),
    "NotImplemented": Known("database", "the store doesn't know this operation"),
    "EntityTooLarge": Known("database", "it is larger than the store takes"),
    "QuotaExceeded": Known("database", "the store has no room left"),
}
"""By the codes of Amazon's manual, "Error responses"; other stores use the same."""

_BY_STATUS: Final[Mapping[int, Known]] = {
    HTTPStatus.UNAUTHORIZED: _KEYS,
    HTTPStatus.FORBIDDEN: _KEYS,
    HTTPStatus.NOT_FOUND: _BUCKET,
}

_REGION_NAME: Final = re.compile(r"[a-z0-9-]{1,40}")


class ObjectMissing(ConnectRefused):
    """There is no object {key!r} in the bucket."""

    def __init__(self, *, key: str, **facts: Any) -> None:
        facts |= {"step": "database", "reason": f"there is no object {key[:_SHOWN]!r}"}
        super().__init__(key=key[:_SHOWN], **facts)


class ObjectChanged(ConnectRefused):
    """The object {key!r} is not what it was any more: somebody has written or deleted it meanwhile."""

    def __init__(self, *, key: str, **facts: Any) -> None:
        facts |= {"step": "database", "reason": f"the object {key[:_SHOWN]!r} has changed meanwhile"}
        super().__init__(key=key[:_SHOWN], **facts)


def tree(text: bytes) -> ET.Element:
    """An answer as a tree whose names have no name space: stores differ in it. Raises ConnectRefused."""
    plain = text.decode(errors="replace")
    if "<!" in plain:
        raise _FOREIGN.failure()
    try:
        found = ET.fromstring(plain)  # noqa: S314  without a document type there is nothing to expand
    except ET.ParseError:
        raise _FOREIGN.failure() from None
    for element in found.iter():
        element.tag = element.tag.rpartition("}")[2]
    return found


def failure_in(found: ET.Element) -> ConnectFailed | None:
    """What an answer with status 200 says of a failure: S3 may find out after it has sent its status."""
    if found.tag != "Error":
        return None
    known = _NAMED.get(found.findtext("Code", ""))
    return known.failure() if known else _trouble("it failed at the end of the request")


def refusal(status: int, headers: Mapping[str, str], text: bytes, *, key: str) -> ConnectFailed:
    """What an answer with such a status means; `text` is its body, empty for a HEAD."""
    code = _code(text)
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ObjectChanged(key=key)
    if status in _TROUBLE or code in _FOR_NOW or status > HTTPStatus.NOT_IMPLEMENTED:
        return _trouble(f"status {status}")
    known = _NAMED.get(code)
    if known is None and status == HTTPStatus.NOT_FOUND and key:
        return ObjectMissing(key=key)
    if known is None:
        known = _REGION if status < HTTPStatus.BAD_REQUEST else _BY_STATUS.get(status, _refused(status))
    return _with_region(known, headers).failure()


def _refused(status: int) -> Known:
    return Known("database", f"the store refuses the request (status {status})", "Check the region.")


def _code(text: bytes) -> str:
    try:
        return tree(text).findtext("Code", "") if text else ""
    except ConnectFailed:
        return ""


def _with_region(known: Known, headers: Mapping[str, str]) -> Known:
    told = headers.get("x-amz-bucket-region", "")
    if known is not _REGION or not _REGION_NAME.fullmatch(told):
        return known
    return Known(known.step, f"{known.reason}, {told!r}", known.hint)


def _trouble(what: str) -> ConnectFailedForNow:
    return ConnectFailedForNow(step="database", reason=f"the store has trouble ({what})")
