"""Objects of the test server as S3 keeps and answers them."""

import hashlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

MIN_PART_BYTES = 5 << 20


@dataclass
class Object:
    """An object: its bytes, what it is now, and what was told with it."""

    content: bytes
    etag: str
    metadata: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    encoding: str = ""


class Refused(Exception):
    """The request is refused with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def made_of(request: web.Request, content: bytes, etag: str) -> Object:
    """An object of the body and the headers of a request."""
    told = {
        name.lower().removeprefix("x-amz-meta-"): value
        for name, value in request.headers.items()
        if name.lower().startswith("x-amz-meta-")
    }
    return Object(content, etag, told, request.headers.get("Content-Type", ""))


def written(request: web.Request, objects: dict[str, Object], key: str, made: Object) -> web.Response:
    """Keep an object, if the request's condition holds."""
    before = objects.get(key)
    if before is not None and request.headers.get("If-None-Match") == "*":
        raise Refused(412, "PreconditionFailed")
    wanted = request.headers.get("If-Match")
    if wanted is not None and before is None:
        raise Refused(404, "NoSuchKey")
    if wanted is not None and before is not None and wanted != f'"{before.etag}"':
        raise Refused(412, "PreconditionFailed")
    objects[key] = made
    return web.Response(headers={"ETag": f'"{made.etag}"'})


def read(request: web.Request, objects: dict[str, Object], key: str, *, quirks: set[str]) -> web.Response:
    """The object, or the part that is asked for."""
    found = objects.get(key)
    if found is None:
        raise Refused(404, "NoSuchKey")
    wanted = request.headers.get("If-Match", f'"{found.etag}"')
    if wanted != f'"{found.etag}"' and "conditions" not in quirks:
        raise Refused(412, "PreconditionFailed")
    headers = {"ETag": f'"{found.etag}"'} | {
        f"x-amz-meta-{name}": told for name, told in found.metadata.items()
    }
    if found.encoding:
        headers["Content-Encoding"] = found.encoding
    asked = request.http_range
    if "Range" not in request.headers or "ranges" in quirks:
        return web.Response(body=found.content, headers=headers)
    part = found.content[asked]
    start = asked.start or 0
    headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(found.content)}"
    return web.Response(status=206, body=part, headers=headers)


def check_parts(parts: dict[int, bytes], body: bytes) -> None:
    """Raise Refused unless the parts are all there, told rightly and large enough."""
    told = body.decode()
    for at, number in enumerate(sorted(parts), start=1):
        tag = escape(f'"{tag_of(parts[number])}"')
        if at != number or f"<PartNumber>{number}</PartNumber><ETag>{tag}</ETag>" not in told:
            raise Refused(400, "InvalidPart")
    if any(len(parts[number]) < MIN_PART_BYTES for number in sorted(parts)[:-1]):
        raise Refused(400, "EntityTooSmall")


def refusal(request: web.Request, status: int, code: str) -> web.Response:
    """A refusal as S3 spells it; its message must never be seen by anybody."""
    if request.method == "HEAD":
        return web.Response(status=status)
    return xml(f"<Error><Code>{code}</Code><Message>secret details</Message></Error>", status=status)


def xml(text: str, *, status: int = 200) -> web.Response:
    """An answer of XML."""
    return web.Response(text=f"<?xml version='1.0'?>{text}", status=status, content_type="application/xml")


def tag_of(content: bytes) -> str:
    """The ETag of a content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
