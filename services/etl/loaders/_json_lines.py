"""JSON Lines in blocks: a record on each line, so that a broken one costs one row."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from services.etl.loaders._cells import Apart
from services.etl.loaders._json_values import Decoder, TooDeep
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.pipeline.context import RejectedRow
from services.etl.pipeline.errors import RecordTooLong

BLOCK_SIZE: Final = 1 << 20
MAX_RECORD: Final = 8 << 20
"""Bytes that a record may have."""

_SHOWN: Final = 200
_BLANKS: Final = " \t\r"


@dataclass(slots=True)
class Records:
    """Some records of a file: the objects with their numbers and lines, and what is no object, apart.

    `texts` are the records as they are written, by number.
    """

    objects: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    apart: list[Apart] = field(default_factory=list)
    blank: int = 0

    def add(self, value: Any, note: tuple[str, str] | None, *, number: int, line: int, text: str) -> None:
        """Add a parsed record, unless it is no object or something was noted about it."""
        self.texts[number] = text
        if note is None and not isinstance(value, dict):
            note = ("not_an_object", "is no object")
        if note is not None:
            self.add_broken(*note, number=number, line=line, text=text)
            return
        self.objects.append(value)
        self.numbers.append(number)
        self.lines.append(line)

    def extend(self, more: "Records") -> None:
        """Add the records that follow."""
        self.objects += more.objects
        self.numbers += more.numbers
        self.lines += more.lines
        self.texts |= more.texts
        self.apart += more.apart
        self.blank += more.blank

    def add_broken(self, code: str, reason: str, *, number: int, line: int, text: str) -> None:
        """Add what can't be a row."""
        row = RejectedRow(number, None, text[:_SHOWN], "a JSON object", code, reason, text)
        self.apart.append((row, line))


def records(content: Utf8Bytes) -> Iterator[Records]:
    """The records of a file, in blocks. A line is a record, a blank one too. Raises RecordTooLong."""
    decoder, line = Decoder(), 1
    for block in _blocks(content):
        found = Records()
        for text in _lines(block):
            _parse(decoder, text, line, found)
            line += 1
        yield found


def _blocks(content: Utf8Bytes) -> Iterator[bytes]:
    """Whole lines, about `BLOCK_SIZE` bytes at once."""
    rest, line = b"", 1
    while more := content.read(BLOCK_SIZE):
        block, sign, after = (rest + more).rpartition(b"\n")
        if sign:
            line += block.count(b"\n") + 1
            yield block
        rest = after
        if len(rest) > MAX_RECORD:
            raise RecordTooLong(line=line, limit=MAX_RECORD)
    if rest:
        yield rest


def _lines(block: bytes) -> list[str | bytes]:
    """The lines of a block as text; those that aren't UTF-8 as bytes."""
    try:
        return list(block.decode().split("\n"))
    except UnicodeDecodeError:
        return [_decoded(line) for line in block.split(b"\n")]


def _decoded(line: bytes) -> str | bytes:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line


def _parse(decoder: Decoder, text: str | bytes, line: int, found: Records) -> None:
    if isinstance(text, bytes):
        shown = text.decode(errors="replace")
        found.add_broken("invalid_encoding", "is not UTF-8", number=line, line=line, text=shown)
        return
    if not text or not text.strip(_BLANKS):
        found.blank += 1
        return
    try:
        value = decoder.decode(text.strip(_BLANKS))
    except json.JSONDecodeError as error:
        at = error.pos + len(text) - len(text.lstrip(_BLANKS)) + 1
        note: tuple[str, str] | None = ("not_json", f"is no JSON from character {at} on")
        value = decoder.noted()
    except TooDeep:
        note, value = ("too_deep", "has too many objects and lists inside each other"), decoder.noted()
    else:
        note = decoder.noted()
    found.add(value, note, number=line, line=line, text=text)
