"""What scanners yield: databases and tables in neutral words, the same for every kind of server."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

TableType = Literal["table", "partitioned_table", "view", "materialized_view", "foreign_table"]
KeyKind = Literal["primary", "unique", "foreign"]
ConstraintKind = Literal["check", "exclude"]
ColumnKey = Literal["PRI", "UNI", "MUL"]


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """One database of a server. None means unknown: the user may not enter, or it wasn't told."""

    name: str
    owner: str | None = None
    charset: str | None = None
    collation: str | None = None
    table_count: int | None = None
    total_size_bytes: int | None = None
    is_accessible: bool = True
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One column. `position` counts from 1 without holes; `number` is the server's own, if it has one."""

    name: str
    position: int
    data_type: str
    column_type: str
    is_nullable: bool
    number: int | None = None
    column_key: ColumnKey | None = None
    column_default: str | None = None
    extra: str | None = None
    comment: str | None = None
    type_detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A primary, unique or foreign key; the referenced columns are in the order of the columns."""

    name: str | None
    kind: KeyKind
    columns: tuple[str, ...]
    referenced_schema: str | None = None
    referenced_table: str | None = None
    referenced_columns: tuple[str, ...] = ()
    on_update: str | None = None
    on_delete: str | None = None
    is_deferrable: bool = False
    is_validated: bool = True
    nulls_distinct: bool = True


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One part of an index: a column, or an expression as the server spells it."""

    column: str | None
    expression: str | None = None
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """One index; `included` are columns that it carries without ordering by them."""

    name: str
    method: str | None
    is_unique: bool
    is_primary: bool
    parts: tuple[IndexPart, ...]
    included: tuple[str, ...] = ()
    predicate: str | None = None
    is_valid: bool = True


@dataclass(frozen=True, slots=True)
class ConstraintInfo:
    """A check or exclusion constraint, with its definition as the server spells it."""

    name: str | None
    kind: ConstraintKind
    definition: str
    is_validated: bool = True


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table or view. Row count (rows) and sizes (bytes) are estimates of the server; None is unknown."""

    schema: str
    name: str
    type: TableType
    fields: tuple[FieldInfo, ...]
    keys: tuple[KeyInfo, ...] = ()
    indexes: tuple[IndexInfo, ...] = ()
    constraints: tuple[ConstraintInfo, ...] = ()
    engine: str | None = None
    owner: str | None = None
    comment: str | None = None
    definition: str | None = None
    partition_key: str | None = None
    native_id: int | None = None
    is_readable: bool = True
    row_count: int | None = None
    data_size_bytes: int | None = None
    index_size_bytes: int | None = None

    def with_column_keys(self) -> "TableInfo":
        """The same table with each field's `column_key`, by the rules of MySQL's SHOW COLUMNS."""
        marks = _column_keys(self.keys, self.indexes)
        fields = tuple(
            replace(each, column_key=marks[each.name]) if each.name in marks else each for each in self.fields
        )
        return replace(self, fields=fields)


@dataclass(frozen=True, slots=True)
class TableFailure:
    """A table (or with `table` None a whole schema) that could not be read, and why."""

    schema: str
    table: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A bounded part of one schema: its tables, the tables that failed, and what is known to exist.

    `last` closes the schema. `listed` are all names that the listing of the schema gave, in the last
    unit only; None there means that the listing failed, so that nothing can be said to have vanished.
    """

    schema: str
    tables: Sequence[TableInfo] = ()
    failures: Sequence[TableFailure] = ()
    last: bool = False
    listed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class SchemaList:
    """The schemas of a database that match the filter; comes before any unit."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class TablePattern:
    """A pattern for schema and table: `*` stands for any characters, `?` for one; the case matters."""

    schema: str = "*"
    table: str = "*"

    @cached_property
    def _schema(self) -> re.Pattern[str]:
        return _compiled(self.schema)

    @cached_property
    def _table(self) -> re.Pattern[str]:
        return _compiled(self.table)

    def matches(self, schema: str, table: str) -> bool:
        return bool(self._schema.match(schema) and self._table.match(table))


@dataclass(frozen=True)
class TableFilter:
    """Which tables a scan wants: any of `include` (nothing means all) and none of `exclude`."""

    include: tuple[TablePattern, ...] = ()
    exclude: tuple[TablePattern, ...] = field(default=())

    @property
    def everything(self) -> bool:
        return not self.include and not self.exclude

    def matches(self, schema: str, table: str) -> bool:
        wanted = not self.include or any(each.matches(schema, table) for each in self.include)
        return wanted and not any(each.matches(schema, table) for each in self.exclude)


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.compile("".join(parts) + r"\Z", re.DOTALL)


def _column_keys(keys: Sequence[KeyInfo], indexes: Sequence[IndexInfo]) -> dict[str, ColumnKey]:
    marks: dict[str, ColumnKey] = {}
    for index in indexes:
        first = index.parts[0].column if index.parts else None
        if first is not None:
            alone = index.is_unique and len(index.parts) == 1 and index.predicate is None
            _mark(marks, first, "UNI" if alone else "MUL")
    for key in keys:
        if key.kind == "primary":
            marks.update(dict.fromkeys(key.columns, "PRI"))
        elif key.kind == "unique" and key.columns:
            _mark(marks, key.columns[0], "UNI" if len(key.columns) == 1 else "MUL")
    return marks


def _mark(marks: dict[str, ColumnKey], column: str, mark: ColumnKey) -> None:
    if mark == "UNI" or column not in marks:
        marks[column] = mark
