"""How much MySQL and MariaDB take in one table: sizes are counted in bytes as they count them.

The strictest of both servers holds, with pages of 16 KiB (MySQL manual, sections 10.4.7 "Limits on Table
Column Count and Row Size" and 17.22 "InnoDB Limits"; MariaDB, "Troubleshooting Row Size Too Large Errors").
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from services.etl.columns import ColumnType, Kind
from services.etl.tables.definition import TableDefinition
from shared.errors import Fault, Loc

MAX_VARCHAR: Final = 16_383
MAX_SCALE: Final = 30
"""MySQL's; MariaDB has 38."""

MAX_COMMENT: Final = 1024
MAX_KEYS: Final = 64
MAX_KEY_COLUMNS: Final = 16
MAX_KEY_BYTES: Final = 3072
MAX_ROW_BYTES: Final = 65_535
MAX_PAGE_BYTES: Final = 8126

LAST_IN_CATALOG: Final = "\uffff"
_PER_CHARACTER: Final = 4
_OFF_PAGE: Final = 41
"""What a value that may lie on pages of its own takes on the row's: twice its reference, and a length."""
_LONGEST_ON_PAGE: Final = 255
_POINTER: Final = 12
_HEADER: Final = 5 + 6 + 7 + 6
"""A row's header, its transaction, its undo record, and its number where it has no primary key."""
_SIZES: Final[Mapping[Kind, int]] = {
    "boolean": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float32": 8,
    "float64": 8,
    "date": 3,
    "time": 6,
    "timestamp": 8,
    "timestamptz": 8,
    "uuid": 36 * _PER_CHARACTER,
}
_LEFTOVER_BYTES: Final = (0, 1, 1, 2, 2, 3, 3, 4, 4)
"""Bytes of a decimal's digits beyond groups of nine, which take four (MySQL manual, section 14.24.2)."""
_DIGITS: Final = 9
_UNINDEXED: Final[frozenset[Kind]] = frozenset({"json", "bytes"})
_RESERVED_KEYS: Final = frozenset({"primary", "gen_clust_index"})


def column_faults(definition: TableDefinition, held: Sequence[ColumnType]) -> Iterator[Fault]:
    """Columns, or all of them together, that are larger than the server takes."""
    for index, (column, kind) in enumerate(zip(definition.columns, held, strict=True)):
        if kind.length is not None and kind.length > MAX_VARCHAR:
            reason = f"a varchar has at most {MAX_VARCHAR} characters here; a longer one is a text"
            yield Fault(("columns", index, "type"), "type_too_long", reason)
        if kind.scale is not None and kind.scale > MAX_SCALE:
            reason = f"a decimal has at most {MAX_SCALE} digits after the point here"
            yield Fault(("columns", index, "type"), "type_too_long", reason)
        literal = (column.default.literal if column.default else None) or ""
        if column.type.kind == "text" and len(literal) > (kind.length or len(literal)):
            reason = f"a text in a key or an index has at most {kind.length} characters here"
            yield Fault(("columns", index, "default", "literal"), "default_unfit", reason)
        if len(column.comment) > MAX_COMMENT:
            reason = f"the comment of a column has at most {MAX_COMMENT} characters here"
            yield Fault(("columns", index, "comment"), "comment_too_long", reason)
    yield from _comment_faults(definition)
    if any(kind.length is not None and kind.length > MAX_VARCHAR for kind in held):
        return
    nulls = (sum(column.nullable for column in definition.columns) + 7) // 8
    row = sum(_in_row(kind) for kind in held) + nulls
    page = sum(_on_page(kind) for kind in held) + nulls + _HEADER
    if row > MAX_ROW_BYTES or page >= MAX_PAGE_BYTES:
        reason = (
            f"the columns can take {max(row, page)} bytes of a row, more than the server has room for;"
            " make long columns text, which lies elsewhere, or have fewer"
        )
        yield Fault(("columns",), "row_too_long", reason)


def _comment_faults(definition: TableDefinition) -> Iterator[Fault]:
    """The servers keep comments in three bytes a character, and a question mark for what has four."""
    comments: list[tuple[Loc, str]] = [(("comment",), definition.comment)]
    comments += [(("columns", i, "comment"), column.comment) for i, column in enumerate(definition.columns)]
    for loc, comment in comments:
        if max(comment, default="") > LAST_IN_CATALOG:
            reason = "a comment can't have characters beyond U+FFFF here, such as emoji"
            yield Fault(loc, "comment_invalid", reason)


def key_faults(definition: TableDefinition, held: Sequence[ColumnType]) -> Iterator[Fault]:
    """Keys and indexes that are too long, too many, or over columns that can't be in one."""
    kinds = {column.name: kind for column, kind in zip(definition.columns, held, strict=True)}
    yield from _one_key_faults(definition.primary_key, ("primary_key",), kinds)
    count = len(definition.unique_keys) + len(definition.indexes) + 1
    if count > MAX_KEYS:
        yield Fault(("indexes",), "too_many_keys", f"a table has at most {MAX_KEYS} keys and indexes here")
    for name, keys in (("unique_keys", definition.unique_keys), ("indexes", definition.indexes)):
        for index, key in enumerate(keys):
            yield from _one_key_faults(key.columns, (name, index, "columns"), kinds)
            if key.name.casefold() in _RESERVED_KEYS:
                yield Fault((name, index, "name"), "identifier_reserved", "the server keeps it for itself")


def _one_key_faults(names: Sequence[str], loc: Loc, kinds: Mapping[str, ColumnType]) -> Iterator[Fault]:
    known = [(position, kinds[name]) for position, name in enumerate(names) if name in kinds]
    unfit = [(position, kind) for position, kind in known if kind.kind in _UNINDEXED]
    for position, kind in unfit:
        yield Fault((*loc, position), "key_column_unfit", f"a column of {kind} can't be in a key here")
    if len(names) > MAX_KEY_COLUMNS:
        yield Fault(loc, "key_too_long", f"a key has at most {MAX_KEY_COLUMNS} columns here")
    size = sum(_in_key(kind) for _, kind in known)
    if size > MAX_KEY_BYTES and not unfit:
        reason = (
            f"the columns of the key can take {size} bytes, more than the {MAX_KEY_BYTES} that the server"
            f" allows; a character counts as {_PER_CHARACTER}, and a text has 255 of them in a key"
        )
        yield Fault(loc, "key_too_long", reason)


def _in_key(kind: ColumnType) -> int:
    if kind.length is not None:
        return kind.length * _PER_CHARACTER
    return _decimal(kind) if kind.kind == "decimal" else _SIZES.get(kind.kind, 0)


def _in_row(kind: ColumnType) -> int:
    if kind.length is not None:
        size = kind.length * _PER_CHARACTER
        return size + (2 if size > _LONGEST_ON_PAGE else 1)
    return _decimal(kind) if kind.kind == "decimal" else _SIZES.get(kind.kind, _POINTER)


def _on_page(kind: ColumnType) -> int:
    if kind.length is not None:
        size = kind.length * _PER_CHARACTER
        return _OFF_PAGE if size > _LONGEST_ON_PAGE else size + 1
    if kind.kind == "uuid":
        return _SIZES[kind.kind] + 1
    return _decimal(kind) if kind.kind == "decimal" else _SIZES.get(kind.kind, _OFF_PAGE)


def _decimal(kind: ColumnType) -> int:
    assert kind.precision is not None
    assert kind.scale is not None
    groups = (kind.precision - kind.scale, kind.scale)
    return sum(digits // _DIGITS * 4 + _LEFTOVER_BYTES[digits % _DIGITS] for digits in groups)
