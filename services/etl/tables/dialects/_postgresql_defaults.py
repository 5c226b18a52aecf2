"""The defaults of PostgreSQL's columns: what `pg_get_expr` says of them, as ours."""

import re
from typing import Final

from services.etl.columns import ColumnType
from services.etl.tables.definition import Default
from services.etl.tables.literals import LiteralUnfit, canonical
from services.etl.tables.physical import PhysicalColumn

from ._postgresql_types import type_name

_QUOTED: Final = re.compile(r"'(?P<text>(?:[^']|'')*)'::(?P<type>[^']+)\Z")
_BARE: Final = re.compile(r"\(?(?P<text>-?\d+(?:\.\d+)?|true|false)\)?(?:::(?P<type>[^']+))?\Z", re.ASCII)
_NOTHING: Final = re.compile(r"NULL(::[^']+)?\Z")
_CLOCK: Final = re.compile(
    r"\(?\(?(now\(\) AT TIME ZONE 'UTC'::text|timezone\('UTC'::text, now\(\))\)?\)?(::[^']+)?\Z"
)
"""The time in UTC without its zone: an operator from PostgreSQL 14 on, a function before."""
_MODIFIERS: Final = re.compile(r"\([^)]*\)")
_TEXTS: Final = frozenset({"text", "character varying"})
_MOST: Final = 10_000
_LONGEST_LITERAL: Final = 2000


def default_of(column: PhysicalColumn, kind: ColumnType) -> Default | None:
    """The default of a column whose values travel as `kind`; `kept` when it is none that we make."""
    spelled = column.default
    if column.kept:
        return Default(kept=column.kept)
    if spelled is None or _NOTHING.match(spelled):
        return None
    if _is_now(spelled, kind):
        return Default(function="now")
    literal = _literal(spelled, column.type, kind)
    if literal is None or len(literal) > _LONGEST_LITERAL:
        return Default(kept=spelled[:_MOST])
    return Default(literal=literal)


def _is_now(spelled: str, kind: ColumnType) -> bool:
    if kind.kind == "timestamptz":
        return spelled in {"now()", "CURRENT_TIMESTAMP"}
    return kind.kind in {"timestamp", "date"} and _CLOCK.match(spelled) is not None


def _literal(spelled: str, held: str, kind: ColumnType) -> str | None:
    quoted = _QUOTED.match(spelled)
    found = quoted or _BARE.match(spelled)
    if found is None or not _is_of(found["type"], held):
        return None
    text = found["text"].replace("''", "'")
    if type_name(kind) != held:
        return text
    if kind.kind == "bytes":
        text = text.removeprefix("\\x")
    try:
        return canonical(kind, text)
    except LiteralUnfit:
        return None


def _is_of(spelled: str | None, held: str) -> bool:
    """Whether a constant of this type is one for the column and not the operand of a conversion."""
    if spelled is None:
        return True
    constant, column = _MODIFIERS.sub("", spelled), _MODIFIERS.sub("", held)
    if constant == "bpchar":
        constant = "character"
    return constant == column or (constant in _TEXTS and column in _TEXTS)
