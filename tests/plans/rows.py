"""Rows that a table can hold, made with an eye on what it is to become."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.dialects import Dialect
from services.etl.tables.dialects.casts import castable

from .casting import cast
from .changing import Changing, Row
from .definitions import NATIVES, Draw
from .values import Raw, Unfit, values


def drawn(draw: Draw, dialect: Dialect, before: TableDefinition, after: TableDefinition) -> list[Row]:
    """Some rows for `before`; in half of the tables they are made so that they fit into `after`."""
    fitting = draw(st.booleans())
    rows: list[Row] = []
    for _ in range(draw(st.sampled_from([4, 5, 6, 3, 2, 1, 0]))):
        row = {
            column.id: _value(draw, column, Changing(dialect, before, after), fitting=fitting)
            for column in before.columns
        }
        # Some rows are like the one before but for a column, so that keys over others find them alike.
        if rows and draw(st.booleans()):
            changed = draw(st.sampled_from(before.columns)).id
            row = rows[-1] | {changed: row[changed]}
        rows.append(row)
    return list(unlike(rows, before))


def probe(draw: Draw, dialect: Dialect, definition: TableDefinition) -> Row:
    """Values for the columns that have no default."""
    changing = Changing(dialect, definition, definition)
    bare = [column for column in definition.columns if column.default is None]
    return {column.id: _value(draw, column, changing, fitting=False) for column in bare}


def unlike(rows: Iterable[Row], definition: TableDefinition) -> Iterator[Row]:
    """The rows without those that a key of the table refuses."""
    seen: set[Any] = set()
    for row in rows:
        marks = {mark for key in unique_keys(definition) if (mark := key_of(row, key)) is not None}
        if not marks & seen:
            seen |= marks
            yield row


def unique_keys(definition: TableDefinition) -> list[tuple[UUID, ...]]:
    """The columns of each key that no two rows may share."""
    ids = {column.name: column.id for column in definition.columns}
    keys = [definition.primary_key, *(key.columns for key in definition.unique_keys)]
    return [tuple(ids[name] for name in names) for names in keys if names]


def key_of(row: Row, key: Sequence[UUID]) -> Any:
    """What the row has in the key's columns; None if it has no value in one, as it is like no other then."""
    found = tuple(row.get(column) for column in key)
    return None if None in found else (tuple(key), found)


def _value(draw: Draw, column: ColumnDefinition, changing: Changing, *, fitting: bool) -> Any:
    wanted = changing.later(column) if fitting else None
    nullable = column.nullable and (wanted is None or wanted.nullable)
    if nullable and draw(st.integers(0, 3)) == 0:
        return None
    natives = NATIVES.get(changing.dialect.name)
    if column.native is not None and natives is not None:
        return Raw(draw(st.sampled_from(natives[column.native][1])))
    kind = changing.dialect.held(column, changing.before)
    if wanted is not None and wanted.native is None:
        found = _fitting(draw, kind, changing.dialect.held(wanted, changing.after))
        if found is not None:
            return found
    return draw(values(kind))


def _fitting(draw: Draw, before: ColumnType, after: ColumnType) -> Any:
    """A value of the first type that becomes one of the second; None if none was found."""
    if not castable(before, after) or not castable(after, before):
        return None
    try:
        found = cast(after, before, draw(values(after)))
        cast(before, after, found)
    except Unfit:
        return None
    return found
