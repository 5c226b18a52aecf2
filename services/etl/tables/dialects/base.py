"""How a data table becomes DDL. What differs between databases is in the subclasses, one file each."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NewType

from services.etl.columns import ColumnType
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.physical import Mark

Risk = Literal["safe", "locks", "rewrites", "destroys"]
"""safe: nothing waits; locks: readers or writers wait; rewrites: for as long as the table is large; destroys:
data goes."""

Sql = NewType("Sql", str)
"""Text made of our own words, quoted identifiers and quoted literals, and of nothing else."""

OWN_PREFIX = "_penstock"
MARKS = "_penstock_tables"
_MAX_NAME_BYTES = 63
_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Statement:
    """One DDL statement, what it may cost, and why it is there."""

    sql: Sql
    risk: Risk
    reason: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a database can do with data tables."""

    schemas: bool
    default_schema: str | None
    comments: bool
    single_writer: bool
    adds_columns_with_functions: bool


class Dialect(ABC):
    """The DDL of one database."""

    name: ClassVar[Literal["postgresql", "sqlite"]]
    capabilities: ClassVar[Capabilities]
    reserved_columns: ClassVar[frozenset[str]] = frozenset()
    reserved_prefixes: ClassVar[tuple[str, ...]] = (OWN_PREFIX,)

    @abstractmethod
    def type_name(self, kind: ColumnType) -> str:
        """The type as the database's own catalog spells it."""

    @abstractmethod
    def literal(self, kind: ColumnType, text: str) -> Sql:
        """A canonical value (see `literals`) as an SQL literal for a column of this type."""

    @abstractmethod
    def now(self, kind: ColumnType) -> Sql:
        """The time of the insert, for a column of this type."""

    @abstractmethod
    def key_clauses(self, definition: TableDefinition) -> list[Sql]:
        """The clauses of CREATE TABLE after its columns."""

    @abstractmethod
    def key_statements(self, location: Location, definition: TableDefinition) -> list[Statement]:
        """The keys and indexes that are made after the table."""

    @abstractmethod
    def comment_statements(
        self, location: Location, definition: TableDefinition, before: TableDefinition | None
    ) -> list[Statement]:
        """The comments that differ from those of `before`."""

    @abstractmethod
    def marking(self, location: Location, mark: Mark, definition: TableDefinition) -> list[Sql]:
        """Note in the target which data table and revision this is; idempotent."""

    @abstractmethod
    def unmarking(self, location: Location, mark: Mark) -> list[Sql]:
        """Remove that note."""

    def quote(self, identifier: str) -> Sql:
        """An identifier in double quotes, as the SQL standard and both databases have it."""
        return Sql('"' + identifier.replace('"', '""') + '"')

    def at(self, location: Location, name: str | None = None) -> Sql:
        """The full name of the table, or of another object beside it."""
        own = self.quote(location.name if name is None else name)
        return Sql(f"{self.quote(location.schema)}.{own}") if location.schema else own

    def create(self, location: Location, definition: TableDefinition) -> list[Statement]:
        """All statements that make the table, in order."""
        parts = [*(self.column(column) for column in definition.columns), *self.key_clauses(definition)]
        lines = ",\n  ".join(parts)
        table = Statement(
            Sql(f"CREATE TABLE {self.at(location)} (\n  {lines}\n)"), "safe", "The table is made."
        )
        return [
            table,
            *self.key_statements(location, definition),
            *self.comment_statements(location, definition, None),
        ]

    def add_column(self, location: Location, column: ColumnDefinition) -> Statement:
        """Add a column that is nullable or has a default; neither database rewrites the table for it."""
        return Statement(
            Sql(f"ALTER TABLE {self.at(location)} ADD COLUMN {self.column(column)}"),
            "safe",
            f"The column {column.name} is new.",
        )

    def drop(self, location: Location) -> Statement:
        """Remove the table and its rows."""
        return Statement(Sql(f"DROP TABLE {self.at(location)}"), "destroys", "The table goes with its rows.")

    def column(self, column: ColumnDefinition) -> Sql:
        """The clause that declares a column."""
        default = f" DEFAULT {self._default(column.type, column.default)}" if column.default else ""
        null = "" if column.nullable else " NOT NULL"
        return Sql(f"{self.quote(column.name)} {self.type_name(column.type)}{default}{null}")

    def listed(self, names: Iterable[str]) -> Sql:
        """Column names, quoted, with commas between."""
        return Sql(", ".join(self.quote(name) for name in names))

    def primary_key_clause(self, definition: TableDefinition) -> Iterator[Sql]:
        """PRIMARY KEY, if there is one."""
        if definition.primary_key:
            yield Sql(f"PRIMARY KEY ({self.listed(definition.primary_key)})")

    def index(self, location: Location, key: KeyDefinition, *, unique: bool) -> Statement:
        """CREATE INDEX. Its name is written without a schema: an index lies where its table does."""
        kind = "UNIQUE INDEX" if unique else "INDEX"
        return Statement(
            Sql(
                f"CREATE {kind} {self.index_name(location, key)}"
                f" ON {self.indexed(location)} ({self.listed(key.columns)})"
            ),
            "safe",
            f"The {'unique key' if unique else 'index'} {key.name} is made while the table is empty.",
        )

    def index_name(self, location: Location, key: KeyDefinition) -> Sql:  # noqa: ARG002 - for subclasses
        """The name of an index as CREATE INDEX wants it."""
        return self.quote(key.name)

    def indexed(self, location: Location) -> Sql:
        """The name of the table as CREATE INDEX wants it."""
        return self.at(location)

    def _default(self, kind: ColumnType, default: Default) -> Sql:
        if default.function is not None:
            return self.now(kind)
        assert default.literal is not None
        return self.literal(kind, default.literal)


def text_literal(text: str) -> Sql:
    """A text in single quotes, each of its own doubled (SQL standard; no backslash is special)."""
    return Sql("'" + text.replace("'", "''") + "'")


def key_name(table: str, columns: Iterable[str], ending: Literal["key", "idx"]) -> str:
    """A name for a key that was given none: at most 63 bytes, different for different keys."""
    full = "_".join([table, *columns, ending])
    if len(full.encode()) <= _MAX_NAME_BYTES:
        return full
    mark = hashlib.sha256(full.encode()).hexdigest()[:_HASH_DIGITS]
    room = _MAX_NAME_BYTES - len(ending) - _HASH_DIGITS - 2
    return f"{full.encode()[:room].decode(errors='ignore')}_{mark}_{ending}"
