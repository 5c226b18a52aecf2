"""Reading a request: body, query and path, each fault with its place."""

import asyncio
import math
import re
import urllib.parse
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from shared.errors import Fault, Loc
from shared.http import errors, problems

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
STALL_SECONDS: Final = 30.0
"""How long a body may pause. A client that opens a request and sends nothing is let go."""
_MAX_INT: Final = 2**63 - 1
_CHUNK: Final = 64 * 1024
_MAY_NOT_BE_STORED = re.compile(rb"\\u0000|\d{19}|NaN|Infinity|[eE]\+?\d{3}")


async def chunks(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces, decompressed, never more than `limit` bytes together."""
    if (request.content_length or 0) > limit:
        raise errors.BodyTooLarge(limit=limit, loc=("body",))
    size = 0
    while True:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                chunk = await request.content.read(_CHUNK)
        except TimeoutError as error:
            raise errors.BodyTooSlow(loc=("body",)) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise errors.RequestInvalid(
                faults=[Fault(("body",), "body_unreadable", "the body ended early or is encoded wrongly")]
            ) from error
        if not chunk:
            return
        size += len(chunk)
        if size > limit:
            raise errors.BodyTooLarge(limit=limit, loc=("body",))
        yield chunk


async def read(request: web.Request, limit: int) -> bytes:
    """The whole body."""
    return b"".join([chunk async for chunk in chunks(request, limit)])


def media_type(request: web.Request) -> str:
    """The media type of the body, without parameters, in lower case; empty when none is given."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def from_json_text(raw: bytes, kind: TypeAdapter[Any]) -> Any:
    """The validated body. MalformedJson, or RequestInvalid with every place that is wrong."""
    if _MAY_NOT_BE_STORED.search(raw):
        refuse_unstorable(_parsed(raw), ("body",))
    try:
        return kind.validate_json(raw, strict=True)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
            raise _malformed(error) from None
        raise problems.invalid(error, ("body",), _parsed(raw)) from None


def from_form(raw: bytes, kind: TypeAdapter[Any]) -> Any:
    """The validated body of a web form; a field given twice is refused."""
    try:
        pairs = urllib.parse.parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, max_num_fields=100, errors="strict"
        )
    except ValueError as error:
        fault = Fault(("body",), "form_invalid", "the body is not a form in UTF-8")
        raise errors.RequestInvalid(faults=[fault]) from error
    return validated(kind, once(pairs, "body"), ("body",))


def once(pairs: Sequence[tuple[str, str]], part: str) -> dict[str, str]:
    """The pairs as a mapping; a name given twice is refused."""
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        fault = Fault((part, twice[:200]), "given_twice", "may be given once")
        raise errors.RequestInvalid(faults=[fault])
    return values


def validated(kind: TypeAdapter[Any], values: Any, loc: Loc) -> Any:
    """Texts of a query, a path or a form, read leniently: numbers come as text here."""
    refuse_unstorable(values, loc)
    try:
        found = kind.validate_python(values)
    except ValidationError as error:
        raise problems.invalid(error, loc, values) from None
    # Only now is it known which texts are numbers.
    refuse_unstorable(found.model_dump() if isinstance(found, BaseModel) else found, loc)
    return found


def refuse_unstorable(value: Any, loc: Loc) -> None:
    """Refuse what no database of ours can keep: NUL in text, integers over 64 bits, NaN and infinity."""
    faults = list(_unstorable(value, loc))
    if faults:
        raise errors.RequestInvalid(faults=faults[: problems.MAX_FAULTS])


def _unstorable(value: Any, loc: Loc) -> Iterator[Fault]:
    if isinstance(value, str) and "\0" in value:
        yield Fault(loc, "nul_character", "the character U+0000 can't be stored")
    elif isinstance(value, int) and abs(value) > _MAX_INT:
        yield Fault(loc, "integer_too_large", "integers have at most 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(loc, "number_not_finite", "a finite number is needed")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from _unstorable(name, loc)
            yield from _unstorable(member, (*loc, name.replace("\0", "�")))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _unstorable(member, (*loc, index))


def _parsed(raw: bytes) -> Any:
    try:
        return from_json(raw)
    except ValueError as error:
        raise _malformed(error) from None


def _malformed(error: ValueError) -> errors.MalformedJson:
    if isinstance(error, ValidationError):
        reason = error.errors(include_url=False, include_input=False)[0]["ctx"]["error"]
    else:
        reason = str(error)
    return errors.MalformedJson(reason=problems.shortened(str(reason)), loc=("body",))
