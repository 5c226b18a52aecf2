"""A CREATE TABLE statement of SQLite in its parts, so that a rebuild keeps what no definition knows.

SQLite keeps the text of the statement, and there is no other place that has the checks, collations, foreign
keys and options of a table. The grammar is that of SQLite's "CREATE TABLE", which needs no comma between two
constraints of the table.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

_TOKENS = re.compile(
    r"""(?P<space>\s+|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))
    |(?P<text>[xX]?'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>(?:\d[\w.]*|\.\d\w*))
    |(?P<mark>\|\||->>?|<[=<>]?|>[=>]?|[=!]=|.)""",
    re.DOTALL | re.VERBOSE,
)
_OF_TABLE: Final = frozenset({"PRIMARY", "UNIQUE", "CHECK", "FOREIGN"})
_OF_COLUMN: Final = frozenset(
    {"PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS"}
)


class DeclarationUnknown(ValueError):
    """The text isn't a CREATE TABLE that we can read."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, name, text or sign, and whether there is space before it."""

    text: str
    kind: str
    spaced: bool = True

    @property
    def upper(self) -> str:
        """A bare word in upper case; empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str | None:
        """The identifier that it may stand for."""
        if self.kind == "word":
            return self.text
        if self.kind != "quoted":
            return None
        end = self.text[-1]
        return self.text[1:-1].replace(end * 2, end)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint of the table or of a column, with its own name if it has one."""

    kind: str
    tokens: tuple[Token, ...]

    @property
    def name(self) -> str | None:
        """The name after CONSTRAINT."""
        return self.tokens[1].name if self.tokens[0].upper == "CONSTRAINT" else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in its first parentheses: the columns of a key of the table."""
        return tuple(part[0].name or "" for part in split(inside(self.tokens)) if part)

    def __str__(self) -> str:
        return spelled(self.tokens)

    def has(self, word: str) -> bool:
        """Whether a bare word is in it."""
        return any(token.upper == word for token in self.tokens)


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column as it was declared; `type` may be empty."""

    name: str
    type: str
    constraints: tuple[Constraint, ...]

    def without(self, *kinds: str) -> Self:
        """The same column without its constraints of these kinds."""
        return replace(self, constraints=tuple(c for c in self.constraints if c.kind not in kinds))

    def only(self, *kinds: str) -> tuple[Constraint, ...]:
        """Its constraints of these kinds."""
        return tuple(c for c in self.constraints if c.kind in kinds)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A table as it was declared: columns, constraints of the table, and options such as STRICT."""

    columns: tuple[DeclaredColumn, ...]
    constraints: tuple[Constraint, ...]
    options: str

    @classmethod
    def parse(cls, sql: str) -> Self:
        """Read a CREATE TABLE as sqlite_master has it. Raises DeclarationUnknown."""
        tokens = tokens_of(sql)
        start = next((i for i, token in enumerate(tokens) if token.text == "("), None)
        if start is None or [t.upper for t in tokens[:2]] != ["CREATE", "TABLE"]:
            raise DeclarationUnknown
        body = inside(tokens)
        columns: list[DeclaredColumn] = []
        constraints: list[Constraint] = []
        for item in split(body):
            if not item:
                raise DeclarationUnknown
            if columns and item[0].upper in _OF_TABLE | {"CONSTRAINT"}:
                constraints += _segments(item, _OF_TABLE)
            else:
                columns.append(_column(item))
        return cls(tuple(columns), tuple(constraints), spelled(tokens[start + len(body) + 2 :]))

    def column(self, name: str) -> DeclaredColumn:
        """The column of this name. Raises DeclarationUnknown."""
        for column in self.columns:
            if folded(column.name) == folded(name):
                return column
        raise DeclarationUnknown

    def uniques(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        """The names and columns of the unique constraints, those of columns, too."""
        for column in self.columns:
            yield from ((c.name, (column.name,)) for c in column.only("UNIQUE"))
        yield from ((c.name, c.columns) for c in self.constraints if c.kind == "UNIQUE")

    @property
    def numbers_rows(self) -> bool:
        """Whether its primary key is an AUTOINCREMENT."""
        return any(c.has("AUTOINCREMENT") for column in self.columns for c in column.only("PRIMARY"))


def tokens_of(sql: str) -> list[Token]:
    """The tokens of a statement, without spaces and comments."""
    tokens: list[Token] = []
    spaced = False
    for found in _TOKENS.finditer(sql):
        if found.lastgroup != "space":
            tokens.append(Token(found.group(), found.lastgroup or "", spaced))
        spaced = found.lastgroup == "space"
    return tokens


def folded(name: str) -> str:
    """A name as SQLite compares it: only the case of the letters of ASCII is ignored."""
    return name.encode().lower().decode()


def mentions(sql: str, name: str) -> bool:
    """Whether a statement has this name anywhere, however it is quoted."""
    return any(folded(token.name or "") == folded(name) for token in tokens_of(sql))


def spelled(tokens: Sequence[Token]) -> str:
    """The tokens as SQL again."""
    return "".join(f" {token.text}" if token.spaced else token.text for token in tokens).strip()


def inside(tokens: Sequence[Token]) -> list[Token]:
    """What is between the first parenthesis and its end. Raises DeclarationUnknown without an end."""
    depth = 0
    found: list[Token] = []
    for token in tokens:
        depth -= token.text == ")"
        if depth == 0 and token.text == ")":
            return found
        if depth > 0:
            found.append(token)
        depth += token.text == "("
    raise DeclarationUnknown


def split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between the commas that are in no parentheses."""
    parts: list[list[Token]] = [[]]
    for depth, token in _deep(tokens):
        if depth == 0 and token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _deep(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    depth = 0
    for token in tokens:
        depth -= token.text == ")"
        yield depth, token
        depth += token.text == "("


def _column(item: Sequence[Token]) -> DeclaredColumn:
    name = item[0].name
    if name is None:
        raise DeclarationUnknown
    rest = item[1:]
    starts = (i for i, (depth, token) in enumerate(_deep(rest)) if depth == 0 and _starts(token))
    end = next(starts, len(rest))
    return DeclaredColumn(name, spelled(rest[:end]), tuple(_segments(rest[end:], _OF_COLUMN)))


def _starts(token: Token) -> bool:
    return token.upper in _OF_COLUMN or token.upper == "CONSTRAINT"


def _segments(tokens: Sequence[Token], words: frozenset[str]) -> list[Constraint]:
    """Constraints one after the other. A word begins none where the one before it has to go on with it."""
    parts: list[list[Token]] = []
    for i, (depth, token) in enumerate(_deep(tokens)):
        goes_on = bool(parts) and _goes_on(parts[-1], tokens[i : i + 2])
        if depth == 0 and not goes_on and (token.upper in words or token.upper == "CONSTRAINT"):
            parts.append([])
        if not parts:
            raise DeclarationUnknown
        parts[-1].append(token)
    return [Constraint(_kind(part), tuple(part)) for part in parts]


def _goes_on(part: Sequence[Token], coming: Sequence[Token]) -> bool:
    """After CONSTRAINT comes a name and then the constraint; SET NULL and DEFAULT NULL are one thing each."""
    word, last = coming[0].upper, part[-1].upper
    if part[0].upper == "CONSTRAINT" and len(part) <= 2:  # noqa: PLR2004 - the word and the name
        return True
    if [token.upper for token in coming] == ["NOT", "DEFERRABLE"]:
        return True
    if last == "SET" and word in {"NULL", "DEFAULT"}:
        return True
    if last == "NOT" and word == "NULL":
        return True
    if last == "ALWAYS" and word == "AS":
        return True
    return len(part) == 1 and last == "DEFAULT"


def _kind(part: Sequence[Token]) -> str:
    named = part[0].upper == "CONSTRAINT"
    return part[2].upper if named and len(part) > 2 else part[0].upper  # noqa: PLR2004 - the word and the name
