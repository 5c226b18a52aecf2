"""What an answer tells of the next page: the Link header, or a value in its content."""

import re
from collections.abc import Iterable
from typing import Any, Final

from services.etl.loaders._base import SourceFile
from services.etl.loaders._files_bytes import FileBytes
from services.etl.loaders._json_array import JsonText
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.pipeline.json_paths import MISSING, JsonPath

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = (
    rf';\s*(?P<name>{_NAME})\s*(?:=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s",;]*)))?'
)
_PARAMETERS: Final = re.compile(rf"\s*{_PARAMETER}")
_LINK: Final = re.compile(r"[\s,]*<(?P<url>[^>]*)>")
_DEPTH: Final = 3
"""How deep objects and lists beside the wanted value are read by parts: rows may lie there."""


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the first link that is the next one of this page (RFC 8288, 3)."""
    for header in headers:
        at = 0
        while link := _LINK.match(header, at):
            at, parameters = link.end(), dict[str, str]()
            while found := _PARAMETERS.match(header, at):
                at = found.end()
                quoted, plain = found["quoted"], found["plain"] or ""
                value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                parameters.setdefault(found["name"].lower(), value)  # the first of equal names counts
            if "next" in parameters.get("rel", "").lower().split() and "anchor" not in parameters:
                return link["url"]
    return None


def value_at(file: SourceFile, path: JsonPath) -> Any:
    """A plain value in an answer of JSON; MISSING where there is nothing. Raises JsonInvalid.

    Never more of the answer is held than a record.
    """
    content = Utf8Bytes(FileBytes(file, "auto"))
    try:
        return _at(JsonText(content), path)
    finally:
        content.close()


def _at(text: JsonText, path: JsonPath) -> Any:
    if not path:
        return text.value()[0]
    key = path[0]
    opening, closing = ("{", "}") if isinstance(key, str) else ("[", "]")
    if text.peek() != opening:
        return MISSING
    text.take(opening)
    position = 0
    while text.peek() != closing:
        name = text.key() if isinstance(key, str) else position
        if name == key:
            return _at(text, path[1:])
        _skip(text, _DEPTH)
        if text.peek() == closing:
            break
        text.take(",")
        position += 1
    return MISSING


def _skip(text: JsonText, depth: int) -> None:
    """Go behind the value that begins here."""
    opening = text.peek()
    if not depth or opening not in {"{", "["}:
        text.value()
        return
    closing = "}" if opening == "{" else "]"
    text.take(opening)
    while text.peek() != closing:
        if opening == "{":
            text.key()
        _skip(text, depth - 1)
        if text.peek() == closing:
            break
        text.take(",")
    text.take(closing)
