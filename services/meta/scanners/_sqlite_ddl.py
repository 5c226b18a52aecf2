"""What SQLite keeps only as the text of CREATE statements: checks, expressions, and a few words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.meta.scanners._model import ConstraintInfo

_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)"""
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
    r"""|[A-Za-z_\u0080-\U0010ffff][\w$]*|[(),]|[^\s]""",
    re.DOTALL,
)
_QUOTES = {'"': '"', "`": "`", "[": "]", "'": "'"}


@dataclass(frozen=True, slots=True)
class Token:
    """One token of SQL; `start` and `end` are its place in the text."""

    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The token as a keyword: upper case, or itself where it is quoted."""
        return self.text if self.text[:1] in _QUOTES else self.text.upper()


@dataclass(frozen=True, slots=True)
class TableText:
    """What the text of CREATE TABLE tells: checks, AUTOINCREMENT, the module of a virtual table."""

    checks: tuple[ConstraintInfo, ...] = ()
    autoincrement: bool = False
    module: str | None = None


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a statement, without white space and comments."""
    for found in _TOKEN.finditer(sql):
        text = found.group()
        if not text.startswith(("--", "/*")):
            yield Token(text, found.start(), found.end())


def read_table(sql: str | None) -> TableText:
    """What the text of a CREATE TABLE or CREATE VIRTUAL TABLE says beyond the pragmas."""
    found = list(tokens(sql or ""))
    words = [token.word for token in found]
    if words[:3] == ["CREATE", "VIRTUAL", "TABLE"] and "USING" in words[:-1]:
        return TableText(module=unquoted(found[words.index("USING") + 1].text))
    return TableText(tuple(_checks(sql or "", found)), autoincrement="AUTOINCREMENT" in words)


def index_parts(sql: str | None) -> tuple[list[str], str | None]:
    """The parts of a CREATE INDEX as they were written, and its WHERE clause."""
    text, found = sql or "", list(tokens(sql or ""))
    opening = next((place for place, token in enumerate(found) if token.text == "("), None)
    if opening is None:
        return [], None
    closing = _closing(found, opening)
    parts, start = [], found[opening].end
    for place, depth in _depths(found, opening, closing):
        if depth == 1 and found[place].text == ",":
            parts.append(text[start : found[place].start].strip())
            start = found[place].end
    parts.append(text[start : found[closing].start].strip())
    rest = found[closing + 1 :]
    where = text[rest[0].end :].strip() if rest and rest[0].word == "WHERE" else None
    return parts, where


def after_as(sql: str | None) -> str | None:
    """The query of a CREATE VIEW: what follows its first AS."""
    text = sql or ""
    found = next((token for token in tokens(text) if token.word == "AS"), None)
    return text[found.end :].strip() if found else None


def unquoted(name: str) -> str:
    """A name without its quotes."""
    closing = _QUOTES.get(name[:1])
    if closing is None or not name.endswith(closing):
        return name
    return name[1:-1].replace(closing * 2, closing)


def _checks(sql: str, found: list[Token]) -> Iterator[ConstraintInfo]:
    for place, token in enumerate(found[:-1]):
        if token.word != "CHECK" or found[place + 1].text != "(":
            continue
        closing = _closing(found, place + 1)
        named = place > 1 and found[place - 2].word == "CONSTRAINT"
        name = unquoted(found[place - 1].text) if named else None
        yield ConstraintInfo(name, "check", sql[token.start : found[closing].end])


def _closing(found: list[Token], opening: int) -> int:
    for place, depth in _depths(found, opening, len(found)):
        if depth == 0:
            return place
    return len(found) - 1


def _depths(found: list[Token], opening: int, end: int) -> Iterator[tuple[int, int]]:
    """Each place from the opening parenthesis on, with the depth of parentheses after it."""
    depth = 0
    for place in range(opening, end):
        depth += {"(": 1, ")": -1}.get(found[place].text, 0)
        yield place, depth
