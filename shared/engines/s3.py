"""Buckets: objects listed, read and written by S3's protocol (REST API, signature version 4)."""

import hashlib
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from shared import clock
from shared.contracts.connection import S3Connection
from shared.engines import _s3_signing as signing
from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused
from shared.http.outbound import Outbound

PART_BYTES: Final = 8 << 20
"""Size of the parts of a large object; S3 wants 5 MiB at least and takes 10,000 of them."""

_ANSWER_BYTES: Final = 8 << 20
_TROUBLE: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT})


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a bucket: its key without the connection's prefix, its bytes, and what it is now."""

    key: str
    size: int
    etag: str


class Bucket:
    """One bucket, as a session of requests. Keys are those below the connection's prefix.

    Everything raises ConnectFailed, whose reason never quotes an answer.
    """

    def __init__(self, connection: S3Connection, outbound: Outbound) -> None:
        self._connection = connection
        self._outbound = outbound
        self._base = _base_of(connection)

    async def listed(self, prefix: str = "", *, most: int = 1000) -> AsyncIterator[Stored]:
        """All objects whose keys begin so, in the order of their keys, asked for `most` at a time."""
        query = {"list-type": "2", "max-keys": str(most), "prefix": self._connection.prefix + prefix}
        while True:
            tree = await self._xml("GET", "", query)
            for item in tree.iter("Contents"):
                key = item.findtext("Key", "")
                size = int(item.findtext("Size", "0"))
                yield Stored(
                    key.removeprefix(self._connection.prefix), size, item.findtext("ETag", "").strip('"')
                )
            token = tree.findtext("NextContinuationToken")
            if tree.findtext("IsTruncated") != "true" or not token:
                return
            query = query | {"continuation-token": token}

    @asynccontextmanager
    async def reading(self, stored: Stored) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an object, as it was when it was listed."""
        headers = {"if-match": f'"{stored.etag}"'} if stored.etag else {}
        async with self._answer("GET", stored.key, headers=headers) as answer:
            yield answer.content.iter_chunked(1 << 20)

    async def put(self, key: str, content: bytes) -> None:
        """Write a small object in one request: readers see the old one or the new one."""
        async with self._answer("PUT", key, body=content):
            return

    async def begin(self, key: str) -> str:
        """Begin a large object; the answer names the upload."""
        tree = await self._xml("POST", key, {"uploads": ""})
        return tree.findtext("UploadId", "")

    async def part(self, key: str, upload: str, number: int, content: bytes) -> str:
        """Send a part, numbered from 1; the answer is its tag."""
        query = {"partNumber": str(number), "uploadId": upload}
        async with self._answer("PUT", key, query, body=content) as answer:
            return str(answer.headers.get("ETag", ""))

    async def complete(self, key: str, upload: str, tags: Sequence[str]) -> None:
        """Make the parts the object, at once."""
        tree = ET.Element("CompleteMultipartUpload")
        for number, tag in enumerate(tags, start=1):
            part = ET.SubElement(tree, "Part")
            ET.SubElement(part, "PartNumber").text = str(number)
            ET.SubElement(part, "ETag").text = tag
        answer = await self._xml("POST", key, {"uploadId": upload}, body=ET.tostring(tree))
        if answer.tag == "Error":  # S3 may find out after it has sent its 200
            raise ConnectFailedForNow(step="database", reason="the store could not put the parts together")

    async def abort(self, key: str, upload: str) -> None:
        """Forget a large object that was begun."""
        async with self._answer("DELETE", key, {"uploadId": upload}):
            return

    async def delete(self, key: str) -> None:
        """Delete an object; one that isn't there is no error."""
        async with self._answer("DELETE", key):
            return

    async def _xml(
        self, method: str, key: str, query: Mapping[str, str], body: bytes | None = None
    ) -> ET.Element:
        async with self._answer(method, key, query, body=body) as answer:
            text = await answer.content.read(_ANSWER_BYTES)
            while len(text) < _ANSWER_BYTES and (more := await answer.content.read(_ANSWER_BYTES)):
                text += more
        return _tree(text)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        key: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[Any]:
        path = signing.encoded(self._connection.prefix + key, slash=True) if key else ""
        asked = "&".join(
            f"{signing.encoded(name)}={signing.encoded(value)}"
            for name, value in sorted((query or {}).items())
        )
        url = f"{self._base}/{path}" + (f"?{asked}" if asked else "")
        sent = self._signed(method, url, headers or {}, body)
        async with self._outbound.send(
            method, url, headers={**sent, "accept-encoding": "identity"}, body=body, redirected=False
        ) as answer:
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise _refusal(answer.status, key)
            yield answer

    def _signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Mapping[str, str]:
        given = self._connection
        if not given.access_key:
            return headers
        payload = signing.EMPTY_SHA256 if not body else hashlib.sha256(body).hexdigest()
        return signing.signed(
            method,
            url,
            headers=headers,
            payload_sha256=payload,
            access_key=given.access_key,
            secret_key=given.secret_key.get_secret_value(),
            region=given.region,
            moment=clock.now(),
        )


def _base_of(connection: S3Connection) -> str:
    endpoint = connection.endpoint or f"https://s3.{connection.region}.amazonaws.com"
    if connection.path_style:
        return f"{endpoint}/{connection.bucket}"
    parts = urlsplit(endpoint)
    return f"{parts.scheme}://{connection.bucket}.{parts.netloc}{parts.path}"


def _tree(text: bytes) -> ET.Element:
    """An answer as a tree whose names have no name space: stores differ in it."""
    foreign = ConnectRefused(step="database", reason="the store's answer is no answer of S3")
    plain = text.decode(errors="replace")
    if "<!" in plain:
        raise foreign
    try:
        tree = ET.fromstring(plain)  # noqa: S314  without a document type there is nothing to expand
    except ET.ParseError:
        raise foreign from None
    for element in tree.iter():
        element.tag = element.tag.rpartition("}")[2]
    return tree


def _refusal(status: int, key: str) -> ConnectFailed:
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ConnectRefused(
            step="authenticate",
            reason="the store refuses these keys, or this use of the bucket",
            hint="Check the keys, the region and what they are allowed to do.",
        )
    if status == HTTPStatus.NOT_FOUND:
        missing = f"there is no object {key[:200]!r}" if key else "there is no such bucket"
        return ConnectRefused(step="database", reason=missing, hint="Check bucket, endpoint and region.")
    if status == HTTPStatus.PRECONDITION_FAILED:
        return ConnectRefused(step="database", reason=f"the object {key[:200]!r} has changed meanwhile")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TROUBLE:
        return ConnectFailedForNow(step="database", reason=f"the store has trouble (status {status})")
    return ConnectRefused(
        step="database", reason=f"the store refuses the request (status {status})", hint="Check the region."
    )
