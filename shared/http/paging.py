"""Lists: a page of items and an opaque cursor to the next page.

Knows nothing of HTTP: repositories use it too.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import InvalidCursor

T = TypeVar("T")
Position = str | int | UUID | datetime

MAX_CURSOR: Final = 4_000
_MAX_INT: Final = 2**63 - 1


class Page(BaseModel, Generic[T]):
    """A part of a list. `next_cursor` is null on the last page."""

    items: list[T]
    next_cursor: str | None = Field(default=None, description="Give it as `cursor` to get the next page.")


class PageQuery(BaseModel):
    """The query of every list; a list with filters inherits from it."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=500, description="How many items a page holds at most.")
    cursor: str | None = Field(
        default=None, max_length=MAX_CURSOR, description="`next_cursor` of the page before."
    )


def encode_cursor(*position: Position) -> str:
    """The opaque cursor of a position: the sort key of the last item of a page."""
    parts = [part.isoformat() if isinstance(part, datetime) else part for part in position]
    text = json.dumps(parts, default=str, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type[Position]) -> tuple[Any, ...]:
    """The position that `encode_cursor` got, each part of its kind. InvalidCursor for anything else."""
    parts = _parts(cursor)
    if len(parts) != len(kinds):
        raise InvalidCursor(loc=("query", "cursor"))
    try:
        return tuple(_READERS[kind](part) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidCursor(loc=("query", "cursor")) from error


def _parts(cursor: str) -> Sequence[Any]:
    if len(cursor) > MAX_CURSOR:
        raise InvalidCursor(loc=("query", "cursor"))
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidCursor(loc=("query", "cursor")) from error
    if not isinstance(parts, list):
        raise InvalidCursor(loc=("query", "cursor"))
    return parts


def _text(part: Any) -> str:
    # PostgreSQL text holds no NUL, and UTF-8 no lone surrogate: both would fail in the database.
    if not isinstance(part, str) or "\0" in part:
        raise ValueError("not a text")
    part.encode()
    return part


def _integer(part: Any) -> int:
    if not isinstance(part, int) or isinstance(part, bool) or abs(part) > _MAX_INT:
        raise ValueError("not a 64-bit integer")
    return part


def _instant(part: Any) -> datetime:
    found = datetime.fromisoformat(_text(part))
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


_READERS: Mapping[type, Callable[[Any], Position]] = {
    str: _text,
    int: _integer,
    UUID: lambda part: UUID(_text(part)),
    datetime: _instant,
}
