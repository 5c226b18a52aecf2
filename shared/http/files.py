"""Sending a file: all of it, or the part that was asked for.

Conditions and ranges are those of RFC 9110, sections 13 and 14. The ETag is the SHA-256 of the content, which
never changes; there is no date to compare with, so conditions that give one don't hold.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

from aiohttp import web

from shared.http.errors import FileOther, RangeMissing

_RANGE: Final = re.compile(
    r"\s*bytes=\s*(?:(?P<first>[0-9]{1,30})-(?P<last>[0-9]{0,30})|-(?P<tail>[0-9]{1,30}))\s*",
    re.ASCII | re.IGNORECASE,
)
_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|(\*)')
_BLOCK_BYTES: Final = 1 << 20
_WRITE_SECONDS: Final = 60.0
"""A client that takes no block for so long is let go."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` to `end` of a file of `size` bytes, its end not included. `asked`: by a range."""

    start: int
    end: int
    size: int
    asked: bool = False


async def send(
    request: web.Request, path: Path, *, size: int, sha256: str, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with a file. Raises FileNotFoundError, FileOther, RangeMissing."""
    tag = f'"{sha256}"'
    headers = {**headers, "ETag": tag}
    if (wanted := request.headers.get("If-Match")) is not None and not _names(wanted, sha256):
        raise FileOther
    if _names(request.headers.get("If-None-Match", ""), sha256):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    wanted = request.headers.get("Range", "")
    part = wanted_part(wanted if request.headers.get("If-Range", tag) == tag else "", size)
    response = web.StreamResponse(headers={**headers, "Accept-Ranges": "bytes"})
    response.content_length = part.end - part.start
    if part.asked:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{part.size}"
    async with _opened(path) as file:
        await response.prepare(request)
        await _sent(response, file, part)
    return response


def wanted_part(text: str, size: int) -> Part:
    """The part that a Range asks for; all where it asks for none, or for what nobody has to give.

    Raises RangeMissing where the file is shorter.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return Part(0, size, size)
    if found["tail"] is not None:
        start, end = max(0, size - int(found["tail"])), size
    else:
        start, end = int(found["first"]), size
        if found["last"]:
            end = min(size, int(found["last"]) + 1)
            if int(found["last"]) < start:
                return Part(0, size, size)
    if start >= size:
        raise RangeMissing(size=size, loc=("header", "Range"))
    return Part(start, end, size, asked=True)


def _names(text: str, sha256: str) -> bool:
    """Whether an ETag of a list is that of the file, or any file's."""
    return any(found[2] or found[1] == sha256 for found in _TAG.finditer(text))


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[BinaryIO]:
    """The file; one that is deleted from now on is read to its end all the same."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        yield file
    finally:
        await asyncio.shield(asyncio.to_thread(file.close))


async def _sent(response: web.StreamResponse, file: BinaryIO, part: Part) -> None:
    """Send the bytes. A client that is gone, or too slow, ends it: it sees that bytes are missing."""
    left = part.end - part.start
    await asyncio.to_thread(file.seek, part.start)
    try:
        while left:
            block = await asyncio.to_thread(file.read, min(left, _BLOCK_BYTES))
            if not block:
                response.force_close()
                return
            async with asyncio.timeout(_WRITE_SECONDS):
                await response.write(block)
            left -= len(block)
        await response.write_eof()
    except (ConnectionError, TimeoutError):
        response.force_close()
