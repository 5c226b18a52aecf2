"""Buckets: objects listed, read and written by S3's protocol (REST API, signature version 4)."""

import asyncio
import re
import xml.etree.ElementTree as ET
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_plus

from shared.contracts.connection import S3Connection
from shared.engines._s3_answers import ObjectChanged, ObjectMissing
from shared.engines._s3_requests import Asked, Requests
from shared.engines.errors import ConnectFailed, ConnectFailedForNow, ConnectRefused
from shared.http.outbound import Outbound

__all__ = ["Bucket", "Head", "ObjectChanged", "ObjectMissing", "Stored"]

_LIST_BYTES: Final = 1 << 16
_ITEM_BYTES: Final = 1 << 13
"""A list of objects is no longer than this and that for each of them: what is parsed holds up the loop."""
SINGLE_BYTES: Final = 16 << 20
"""An object below this is written in one request, a larger one in parts."""

PART_BYTES: Final = 8 << 20
"""Size of the parts of a large object; S3 wants 5 MiB at least and takes 10,000 of them."""

TRIES: Final = 5
_MAX_PARTS: Final = 10_000
_CHUNK: Final = 1 << 20
_ABORT_SECONDS: Final = 10.0
_METADATA: Final = "x-amz-meta-"
_SIZE: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a bucket: its key without the connection's prefix, its bytes, and what it is now."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an object without reading it. `etag` has no quotes, names of `metadata` are small."""

    size: int
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Bucket:
    """One bucket, as a session of requests. Keys are those below the connection's prefix.

    What fails for now is tried again, `tries` times in all, a little later each time. Everything raises
    ConnectFailed, whose reason never quotes an answer.
    """

    def __init__(self, connection: S3Connection, outbound: Outbound, *, tries: int = TRIES) -> None:
        self._prefix = connection.prefix
        self._requests = Requests(connection, outbound, tries=tries)

    async def listed(self, prefix: str = "", *, most: int = 1000) -> AsyncIterator[Stored]:
        """All objects whose keys begin so, asked for `most` at a time, in the order in which they come."""
        query = {"list-type": "2", "max-keys": str(most), "prefix": self._prefix + prefix}
        query |= {"encoding-type": "url"}  # a key may have characters that XML can't
        seen = set[str]()
        while True:
            tree = await self._requests.xml(Asked("GET", query=query), most=_LIST_BYTES + most * _ITEM_BYTES)
            plain = unquote_plus if tree.findtext("EncodingType") == "url" else str
            for item in tree.iter("Contents"):
                key = plain(item.findtext("Key", ""))
                if key.startswith(self._prefix):
                    yield Stored(key[len(self._prefix) :], *_size_and_tag(item))
            token = tree.findtext("NextContinuationToken")
            if tree.findtext("IsTruncated") != "true" or not token:
                return
            if token in seen:
                raise ConnectRefused(step="database", reason="the store lists its objects without an end")
            seen.add(token)
            query |= {"continuation-token": token}

    async def head(self, key: str) -> Head | None:
        """What is known of an object; None where there is none."""
        try:
            headers = await self._requests.done(Asked("HEAD", key))
        except ObjectMissing:
            return None
        return Head(
            size=int(headers.get("Content-Length", "0")),
            etag=headers.get("ETag", "").strip('"'),
            metadata={
                name.lower().removeprefix(_METADATA): value
                for name, value in headers.items()
                if name.lower().startswith(_METADATA)
            },
        )

    async def download(self, stored: Stored, path: Path, *, most: int | None = None) -> int:
        """Write an object, or its first `most` bytes, to a file; how many there were.

        A connection that breaks is taken up where it broke. Raises ObjectChanged where the object isn't the
        one that was listed any more, and OSError of the file.
        """
        wanted = stored.size if most is None else min(most, stored.size)
        done = failures = 0
        with path.open("wb") as file:
            while done < wanted:
                try:
                    async with aclosing(self._pieces(stored, done, wanted)) as pieces:
                        async for chunk in pieces:
                            await asyncio.to_thread(file.write, chunk)
                            done, failures = done + len(chunk), 0
                except ConnectFailedForNow as error:
                    failures += 1
                    await self._requests.pause(failures, error)
        return done

    async def _pieces(self, stored: Stored, start: int, wanted: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `wanted`. Raises ObjectChanged where there are fewer or more."""
        left = wanted - start
        headers = {"if-match": f'"{stored.etag}"'} if stored.etag else {}
        headers |= {"range": f"bytes={start}-{wanted - 1}"} if left < stored.size else {}
        async with self._requests.once(Asked("GET", stored.key, headers=headers)) as answer:
            _check_part(answer, stored, start if left < stored.size else None)
            async for chunk in answer.content.iter_chunked(_CHUNK):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
        if left:
            raise ObjectChanged(key=stored.key)

    async def upload(
        self,
        path: Path,
        key: str,
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = "application/octet-stream",
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> str:
        """Write a file as an object, at once for whoever reads it; the answer is its ETag.

        `metadata` are names in small letters and values of printable ASCII, 2 KB in all; no two uploads
        should have the same, because by it an answer that was lost is found again. `if_match` is the ETag
        of the object that may be replaced, `if_none_match` says that there must be none: else ObjectChanged.
        What was sent of a large file is taken back when it fails.
        """
        told = {f"{_METADATA}{name}": value for name, value in (metadata or {}).items()}
        condition = {"if-match": f'"{if_match}"'} if if_match is not None else {}
        condition |= {"if-none-match": "*"} if if_none_match else {}
        size = (await asyncio.to_thread(path.stat)).st_size
        send = self._in_one if size < SINGLE_BYTES else self._in_parts
        try:
            return await send(path, key, {"content-type": content_type, **told}, condition)
        except ObjectMissing:  # the object to replace, or what was sent of it
            gone = ConnectFailedForNow(step="database", reason="the store has forgotten the upload")
            changed: ConnectFailed = ObjectChanged(key=key) if if_match is not None else gone
        except (ObjectChanged, ConnectFailedForNow) as error:
            changed = error
        # An earlier try may have got through, with only its answer lost.
        with suppress(ConnectFailed):
            now = await self.head(key)
            if now is not None and now.size == size and metadata and dict(now.metadata) == dict(metadata):
                return now.etag
        raise changed

    async def _in_one(
        self, path: Path, key: str, headers: Mapping[str, str], condition: Mapping[str, str]
    ) -> str:
        content = await asyncio.to_thread(path.read_bytes)
        found = await self._requests.done(Asked("PUT", key, headers={**headers, **condition}, body=content))
        return found.get("ETag", "").strip('"')

    async def _in_parts(
        self, path: Path, key: str, headers: Mapping[str, str], condition: Mapping[str, str]
    ) -> str:
        tree = await self._requests.xml(Asked("POST", key, {"uploads": ""}, headers))
        upload = tree.findtext("UploadId", "")
        try:
            tags = await self._parts(path, key, upload)
            return await self._completed(key, upload, tags, condition)
        except BaseException:
            with suppress(ConnectFailed, TimeoutError):
                await asyncio.shield(self._abort(key, upload))
            raise

    async def _parts(self, path: Path, key: str, upload: str) -> list[str]:
        size = (await asyncio.to_thread(path.stat)).st_size
        part = max(PART_BYTES, -(-size // _MAX_PARTS))
        tags: list[str] = []
        with path.open("rb") as file:
            while content := await asyncio.to_thread(file.read, part):
                query = {"partNumber": str(len(tags) + 1), "uploadId": upload}
                found = await self._requests.done(Asked("PUT", key, query, body=content))
                tags.append(found.get("ETag", ""))
        return tags

    async def _completed(
        self, key: str, upload: str, tags: Sequence[str], condition: Mapping[str, str]
    ) -> str:
        tree = ET.Element("CompleteMultipartUpload")
        for number, tag in enumerate(tags, start=1):
            part = ET.SubElement(tree, "Part")
            ET.SubElement(part, "PartNumber").text = str(number)
            ET.SubElement(part, "ETag").text = tag
        asked = Asked("POST", key, {"uploadId": upload}, condition, ET.tostring(tree))
        return (await self._requests.xml(asked)).findtext("ETag", "").strip('"')

    async def _abort(self, key: str, upload: str) -> None:
        async with asyncio.timeout(_ABORT_SECONDS):
            with suppress(ObjectMissing):
                await self._requests.done(Asked("DELETE", key, {"uploadId": upload}))


def _size_and_tag(item: ET.Element) -> tuple[int, str]:
    size = item.findtext("Size", "0")
    if not _SIZE.fullmatch(size):
        raise ConnectRefused(step="database", reason="the store's answer is no answer of S3")
    return int(size), item.findtext("ETag", "").strip('"')


def _check_part(answer: Any, stored: Stored, start: int | None) -> None:
    """Raises unless the answer is the object that was listed, or its part from `start` on."""
    tag = answer.headers.get("ETag", "").strip('"')
    if tag and stored.etag and tag != stored.etag:
        raise ObjectChanged(key=stored.key)
    place = answer.headers.get("Content-Range", "")
    if start is not None and not (
        answer.status == HTTPStatus.PARTIAL_CONTENT and place.startswith(f"bytes {start}-")
    ):
        raise ConnectRefused(step="database", reason="the store gives no parts of objects")
