"""The words and signs of an expression."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from services.etl.pipeline.expression_tree import Wrong

TokenKind = Literal["number", "text", "name", "word", "sign", "end"]

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")+")
    |(?P<word>[^\W\d]\w*)
    |(?P<sign><=|>=|<>|!=|\|\||[-+*/%=<>(),])
    |(?P<end>\Z))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its offset. Quotes are taken off, doubled ones inside are one."""

    kind: TokenKind
    text: str
    at: int

    @property
    def lowered(self) -> str:
        """Words and signs are compared without regard to case; quoted names and texts never match one."""
        return self.text.lower() if self.kind in {"word", "sign"} else ""


def tokens(text: str) -> Iterator[Token]:
    """All tokens, an `end` last. Raises Wrong."""
    position = 0
    while True:
        found = _TOKEN.match(text, position)
        if found is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            opened = {"'": "this text is not closed", '"': "this name is not closed"}
            raise Wrong(at, opened.get(text[at], f"{text[at]!r} has no meaning here"))
        kind: TokenKind = found.lastgroup  # type: ignore[assignment]  # the groups are the kinds
        content, at = found[kind], found.start(kind)
        if kind in {"text", "name"}:
            content = content[1:-1].replace(content[0] * 2, content[0])
        yield Token(kind, content, at)
        if kind == "end":
            return
        position = found.end()
        if kind == "number" and text[position : position + 1].isalnum():
            raise Wrong(position, "a number ends with a letter")
