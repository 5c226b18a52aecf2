"""One JSON array as a stream of records: never more of it in memory than a block and a record."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.etl.loaders._files_errors import JsonInvalid
from services.etl.loaders._json_lines import BLOCK_SIZE, MAX_RECORD, Records
from services.etl.loaders._json_values import Decoder, TooDeep
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.pipeline.errors import EncodingInvalid, FileEmpty, RecordTooLong

_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_LONGEST_WORD: Final = 12
"""Characters at the end of a text that may be the beginning of a word or an escape."""


def records(content: Utf8Bytes, path: Sequence[str]) -> Iterator[Records]:
    """The elements of the array at a path of keys, in blocks. Raises JsonInvalid or RecordTooLong."""
    text = JsonText(content)
    if not text.peek():
        raise FileEmpty
    for key in path:
        _enter(text, key)
    yield from _elements(text)
    for _ in path:
        _leave(text)
    if text.peek():
        raise text.invalid("something follows its end")


def _elements(text: "JsonText") -> Iterator[Records]:
    text.take("[")
    found, number, taken = Records(), 0, 0
    more = text.peek() != "]"
    while more:
        number += 1
        text.peek()
        line = text.line
        value, spelled = text.value()
        found.add(value, text.decoder.noted(), number=number, line=line, text=spelled)
        taken += len(spelled)
        if taken >= BLOCK_SIZE:
            yield found
            found, taken = Records(), 0
        more = text.peek() == ","
        if more:
            text.take(",")
    text.take("]")
    yield found


def _enter(text: "JsonText", wanted: str) -> None:
    """Go to the value under a key of the object that begins here."""
    text.take("{")
    while True:
        if text.key() == wanted:
            return
        text.value()
        if text.peek() != ",":
            raise text.invalid(f"it has no key {wanted[:80]!r}")
        text.take(",")


def _leave(text: "JsonText") -> None:
    """Go behind the end of the object of which a value was read."""
    while text.peek() == ",":
        text.take(",")
        text.key()
        text.value()
    text.take("}")


class JsonText:
    """A text that is read as it is needed, with the number of the line that was reached."""

    def __init__(self, content: Utf8Bytes) -> None:
        self._content = content
        self._bytes = b""
        self._text = ""
        self._at = 0
        self._counted = 0
        self._line = 1
        self._given = 0
        self._ended = False
        self.decoder = Decoder()

    @property
    def line(self) -> int:
        """The line of the place that was reached."""
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def peek(self) -> str:
        """The next sign that is no blank; nothing at the end."""
        while True:
            blanks = _BLANKS.match(self._text, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Go behind a sign. Raises JsonInvalid where another one stands."""
        if self.peek() != sign:
            raise self.invalid(f"{sign} is missing" if self._at < len(self._text) else "it ends too early")
        self._at += 1

    def key(self) -> str:
        """Go behind the key that begins here, and its colon."""
        if self.peek() != '"':
            raise self.invalid("a key is missing")
        key, _ = self.value()
        self.take(":")
        return str(key)

    def value(self) -> tuple[Any, str]:
        """The value that begins here, and how it is written. Raises JsonInvalid or RecordTooLong."""
        self.peek()
        while True:
            self.decoder.notes.clear()
            try:
                value, end = self.decoder.scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._may_go_on(error) and self._more():
                    continue
                early = error.msg.startswith("Unterminated string") or error.pos >= len(self._text)
                self._at = min(error.pos, len(self._text))
                raise self.invalid("it ends too early" if early else "a value is broken") from None
            except TooDeep:
                raise self.invalid("too many objects and lists are inside each other") from None
            else:
                if end < len(self._text) or not self._more():
                    spelled = self._text[self._at : end]
                    self._at = end
                    return value, spelled

    def invalid(self, reason: str) -> JsonInvalid:
        """The error of this place."""
        return JsonInvalid(reason=reason, line=self.line)

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _LONGEST_WORD

    def _more(self) -> bool:
        """Read on, as much as there is already, so that a long record is not tried too often."""
        if len(self._text) - self._at > MAX_RECORD:
            raise RecordTooLong(line=self.line, limit=MAX_RECORD)
        more = b"" if self._ended else self._content.read(max(BLOCK_SIZE, len(self._text) - self._at))
        self._ended = not more
        decoded, line = self._decoded(more), self.line
        if more:
            self._text, self._at, self._counted = self._text[self._at :] + decoded, 0, 0
            self._line = line
        return bool(more)

    def _decoded(self, more: bytes) -> str:
        whole = self._bytes + more
        try:
            text, self._bytes = whole.decode(), b""
        except UnicodeDecodeError as error:
            if self._ended or len(whole) - error.start >= 4:  # noqa: PLR2004  bytes of a character at most
                raise EncodingInvalid(encoding="utf-8", offset=self._given + error.start) from None
            text, self._bytes = whole[: error.start].decode(), whole[error.start :]
        self._given += len(text.encode()) if self._bytes else len(whole)
        return text
