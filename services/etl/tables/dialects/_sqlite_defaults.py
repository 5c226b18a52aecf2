"""Default values of SQLite's columns, as SQL and as they are read back."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from services.etl.columns import ColumnType, Kind
from services.etl.tables.definition import Default
from services.etl.tables.literals import LiteralUnfit, canonical

from ._sqlite_casts import stored
from .base import text_literal
from .work import Sql

_NOW: Final[Mapping[Kind, str]] = {
    "date": "%Y-%m-%d",
    "timestamp": "%Y-%m-%d %H:%M:%f000",
    "timestamptz": "%Y-%m-%d %H:%M:%f000Z",
}
_PLAIN: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "float32", "float64"})
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
_BLOB = re.compile(r"[xX]'([0-9a-fA-F]*)'\Z")
_TEXT = re.compile(r"'((?:[^']|'')*)'\Z")
_NAME = re.compile(r"""\"((?:[^"]|"")*)"\Z""")
_LONGEST_LITERAL: Final = 2000
_LONGEST_KEPT: Final = 10_000
_BOOLEANS: Final = {"1": "true", "0": "false", "TRUE": "true", "FALSE": "false"}


def literal(kind: ColumnType, text: str) -> Sql:
    """A value as SQL, in the spelling in which runs write it: texts that mean the same are to be equal."""
    with suppress(LiteralUnfit):
        text = canonical(kind, text)
    if kind.kind == "boolean":
        return Sql("1" if text == "true" else "0")
    if kind.kind in _PLAIN:
        return Sql(text)
    return Sql(f"X'{text}'") if kind.kind == "bytes" else text_literal(stored(kind, text))


def now(kind: ColumnType) -> Sql:
    """The time of the insert, in parentheses as DEFAULT wants it."""
    return Sql(f"(strftime('{_NOW[kind.kind]}', 'now'))")


def spelled(kind: ColumnType, default: Default) -> Sql:
    """A default as it comes after DEFAULT. What is kept is an expression that SQLite itself has shown."""
    if default.kept is not None:
        return Sql(f"({default.kept})")
    if default.function is not None:
        return now(kind)
    assert default.literal is not None
    return literal(kind, default.literal)


def read(text: str | None, kind: ColumnType) -> Default | None:
    """A default as SQLite shows it; `kept` when it is none that we could make."""
    if text is None or text.strip().upper() == "NULL":
        return None
    text = text.strip()
    if kind.kind in _NOW and text in {now(kind), now(kind)[1:-1]}:
        return Default(function="now")
    found = _value(text, kind)
    if found is None or len(found) > _LONGEST_LITERAL:
        return Default(kept=text[:_LONGEST_KEPT])
    return Default(literal=found)


def _value(text: str, kind: ColumnType) -> str | None:
    said = _said(text, kind)
    if said is None:
        return None
    try:
        return canonical(kind, said)
    except LiteralUnfit:
        return None


def _said(text: str, kind: ColumnType) -> str | None:
    if kind.kind == "boolean":
        return _BOOLEANS.get(text.upper())
    if kind.kind == "bytes":
        blob = _BLOB.match(text)
        return blob[1] if blob else None
    if quoted := _TEXT.match(text):
        return str(quoted[1]).replace("''", "'")
    if named := _NAME.match(text):
        return str(named[1]).replace('""', '"')
    return text if _NUMBER.match(text) and (kind.is_number or kind.is_text) else None
