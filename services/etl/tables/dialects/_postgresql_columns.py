"""What becomes of a column in PostgreSQL: the cast of its values, and whether the table is written anew."""

import re
from collections.abc import Mapping
from typing import Final

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.difference import ColumnPair

from ._postgresql_casts import Cast, bounded, cast
from ._postgresql_types import type_name, type_of
from .base import Dialect, text_literal
from .casts import castable
from .work import Sql

_RELABELED: Final = frozenset({"character varying", "citext", "xml"})
"""Types of the server's own that are the same bytes as text (catalog `pg_cast`, method b)."""
_NUMERIC: Final = re.compile(r"numeric(\(-?\d+,-?\d+\))?\Z", re.ASCII)
_TIMES: Final = frozenset({"timestamp", "timestamptz"})
_DROPS: Final[Mapping[str, str]] = {"identity": "DROP IDENTITY", "generated": "DROP EXPRESSION"}


def can_cast(before: ColumnDefinition, after: ColumnDefinition) -> bool:
    """Whether there is a cast; every type of the server's own has a text, and some are nearly one of ours."""
    if after.native is not None:
        return False
    if before.native is None:
        return castable(before.type, after.type)
    return after.type.is_text or _is_near(before, after)


def cast_of(pair: ColumnPair, column: Sql) -> Cast:
    """The cast of a column that is to have another type; `column` is its SQL."""
    if pair.before.native is None:
        return cast(pair.before.type, pair.after.type, column)
    if pair.after.type.kind == "decimal":
        return bounded(pair.after.type, column)
    if not pair.after.type.is_text:
        # A text in json may say NUL, which jsonb can't hold (manual, section 8.14).
        unfit = (
            Sql(f"pg_catalog.strpos({column}::text, '\\u0000') > 0")
            if pair.after.type.kind == "json"
            else None
        )
        return Cast(Sql(f"{column}::{type_name(pair.after.type)}"), unfit)
    length = pair.after.type.length
    shown = Sql(f"{column}::text")
    return Cast(shown, None if length is None else Sql(f"pg_catalog.char_length({shown}) > {length}"))


def rewrites(pair: ColumnPair) -> bool:
    """Whether PostgreSQL writes all rows anew for the cast (manual, ALTER TABLE, notes)."""
    before, after = pair.before.type, pair.after.type
    if pair.before.native is not None:
        if after.is_text:
            return after.length is not None or pair.before.native not in _RELABELED
        return after.kind in {"json", "decimal"}
    if before.is_text and after.is_text:
        return after.length is not None and (before.length is None or before.length > after.length)
    if before.kind == after.kind == "decimal":
        return before.scale != after.scale or _more(before.precision, after.precision)
    return not {before.kind, after.kind} <= _TIMES


def _is_near(before: ColumnDefinition, after: ColumnDefinition) -> bool:
    if after.type.kind == "decimal":
        return _NUMERIC.match(before.native or "") is not None
    near = type_of(before.native or "")
    return near is not None and near.kind == after.type.kind


def _more(first: int | None, second: int | None) -> bool:
    return (first or 0) > (second or 0)


def drops_default(pair: ColumnPair) -> bool:
    """Whether the default goes before anything else happens to the column."""
    if pair.before.default is None or (is_kept(pair.before) and not pair.redefaulted):
        return False
    return pair.retyped or pair.after.default is None or is_kept(pair.before)


def sets_default(pair: ColumnPair) -> bool:
    """Whether the column gets a default."""
    if pair.after.default is None or is_kept(pair.after):
        return False
    return pair.retyped or pair.redefaulted


def is_kept(column: ColumnDefinition) -> bool:
    """Whether the column is filled by something that we never make."""
    return column.default is not None and column.default.kept is not None


def drop_clause(column: ColumnDefinition) -> str:
    """What takes away whatever fills the column."""
    kept = column.default.kept if column.default else None
    return _DROPS.get(kept or "", "DROP DEFAULT")


def default_sql(dialect: Dialect, column: ColumnDefinition, definition: TableDefinition) -> Sql | None:
    """The default as an expression; None where there is none, or one that we don't make."""
    default = column.default
    if default is None or default.kept is not None:
        return None
    kind: ColumnType = dialect.held(column, definition)
    if default.function is not None:
        return dialect.now(kind)
    assert default.literal is not None
    if column.native is not None:
        return Sql(f"{text_literal(default.literal)}::{column.native}")
    return dialect.literal(kind, default.literal)
