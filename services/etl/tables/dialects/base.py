"""How a data table becomes DDL. What differs between databases is in the subclasses, one file each."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal
from uuid import UUID

from services.etl.columns import ColumnType
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.physical import Mark, PhysicalColumn
from shared.contracts.connection import ConnectionInfo
from shared.engines import errors as engine_errors
from shared.errors import Fault, Loc

from .casts import castable
from .work import Sql, Statement, TableChange, Work

OWN_PREFIX = "_penstock"
MARKS = "_penstock_tables"
_MAX_NAME_BYTES = 63
_HASH_DIGITS = 8
_PASSING = f"{OWN_PREFIX}_as_"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a database can do with data tables."""

    schemas: bool
    default_schema: str | None
    single_writer: bool


class Dialect(ABC):
    """The DDL of one database."""

    name: ClassVar[Literal["postgresql", "mysql", "sqlite"]]
    capabilities: ClassVar[Capabilities]
    reserved_columns: ClassVar[frozenset[str]] = frozenset()
    reserved_schemas: ClassVar[frozenset[str]] = frozenset()
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
    def alter(self, change: TableChange) -> Work:
        """The statements that lead from the table as it was found to what is wanted, with their checks."""

    @abstractmethod
    def type_of(self, spelled: str) -> ColumnType | None:
        """The portable type that the database holds in a column whose type its catalog spells so."""

    @abstractmethod
    def default_of(self, column: PhysicalColumn, kind: ColumnType) -> Default | None:
        """The default of a physical column of this type; `kept` when it is none that we could make."""

    @abstractmethod
    def native_name(self, text: str) -> str | None:
        """A type of the database as its catalog spells it, or None when the text can't be one."""

    @abstractmethod
    def journaled(
        self, location: Location, mark: Mark, definition: TableDefinition, statements: Sequence[Statement]
    ) -> list[Statement]:
        """What an apply runs: its statements, with our notes around them of which revision this is."""

    @abstractmethod
    def unmarking(self, location: Location, mark: Mark) -> list[Statement]:
        """What takes those notes away."""

    def faults(self, definition: TableDefinition) -> Iterator[Fault]:  # noqa: ARG002 - for subclasses
        """What this database can't carry out beyond the rules of all; places below the body."""
        yield from ()

    def check_name(self, name: str, loc: Loc) -> None:
        """Raise IdentifierInvalid for a name that can't be kept as it is spelled.

        All databases get the strictest limit of length, so that a definition can move between them.
        """
        engine_errors.checked_identifier(name, loc, max_bytes=engine_errors.MAX_IDENTIFIER_BYTES)

    def default_schema(self, connection: ConnectionInfo) -> str | None:  # noqa: ARG002 - for subclasses
        """Where a table goes that names no schema; None where it must name one or there are none."""
        return self.capabilities.default_schema

    def held(self, column: ColumnDefinition, definition: TableDefinition) -> ColumnType:  # noqa: ARG002 - for subclasses
        """The type that the column's values have to fit: its own, unless the database must bound it."""
        return column.type

    def column_type(self, column: ColumnDefinition, definition: TableDefinition) -> str:
        """The type of a column of this table as the database's own catalog spells it."""
        return column.native or self.type_name(self.held(column, definition))

    def quote(self, identifier: str) -> Sql:
        """An identifier in double quotes, as the SQL standard has it."""
        return Sql('"' + identifier.replace('"', '""') + '"')

    def at(self, location: Location, name: str | None = None) -> Sql:
        """The full name of the table, or of another object beside it."""
        own = self.quote(location.name if name is None else name)
        return Sql(f"{self.quote(location.schema)}.{own}") if location.schema else own

    def create(self, location: Location, definition: TableDefinition) -> list[Statement]:
        """All statements that make the table, in order."""
        columns = (self.column(column, definition) for column in definition.columns)
        lines = ",\n  ".join([*columns, *self.key_clauses(definition)])
        made = Sql(f"CREATE TABLE {self.at(location)} (\n  {lines}\n){self.table_options(definition)}")
        table = Statement(made, "safe", "The table is made.")
        return [
            table,
            *self.key_statements(location, definition),
            *self.comment_statements(location, definition, None),
        ]

    def table_options(self, definition: TableDefinition) -> str:  # noqa: ARG002 - for subclasses
        """What comes after the clauses of CREATE TABLE."""
        return ""

    def add_column(
        self, location: Location, column: ColumnDefinition, definition: TableDefinition
    ) -> Statement:
        """Add a column that is nullable or has a constant default; no database writes the rows for it."""
        return Statement(
            Sql(f"ALTER TABLE {self.at(location)} ADD COLUMN {self.column(column, definition)}"),
            "safe",
            f"The column {column.name} is new.",
        )

    def castable(self, before: ColumnDefinition, after: ColumnDefinition) -> bool:
        """Whether values of the one type can be cast to the other; what doesn't fit is found by checks."""
        return before.native is None and after.native is None and castable(before.type, after.type)

    def drop(self, location: Location) -> Statement:
        """Remove the table and its rows."""
        return Statement(Sql(f"DROP TABLE {self.at(location)}"), "destroys", "The table goes with its rows.")

    def column(self, column: ColumnDefinition, definition: TableDefinition) -> Sql:
        """The clause that declares a column."""
        kind = self.held(column, definition)
        default = f" DEFAULT {self._default(kind, column.default)}" if column.default else ""
        null = "" if column.nullable else " NOT NULL"
        spelled = self.column_type(column, definition)
        return Sql(f"{self.quote(column.name)} {spelled}{default}{null}")

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


def passing_name(column_id: UUID) -> str:
    """The name of a column on its way from one name to another that is still taken."""
    return f"{_PASSING}{column_id.hex}"


def passing_id(name: str) -> UUID | None:
    """The id of the column that is called so on its way, or None for any other name."""
    if not name.startswith(_PASSING):
        return None
    try:
        return UUID(hex=name.removeprefix(_PASSING))
    except ValueError:
        return None


def text_literal(text: str) -> Sql:
    """A text in single quotes, each of its own doubled (SQL standard; no backslash may be special)."""
    return Sql("'" + text.replace("'", "''") + "'")


def key_name(table: str, columns: Iterable[str], ending: Literal["key", "idx"]) -> str:
    """A name for a key that was given none: at most 63 bytes, different for different keys."""
    full = "_".join([table, *columns, ending])
    if len(full.encode()) <= _MAX_NAME_BYTES:
        return full
    mark = hashlib.sha256(full.encode()).hexdigest()[:_HASH_DIGITS]
    room = _MAX_NAME_BYTES - len(ending) - _HASH_DIGITS - 2
    return f"{full.encode()[:room].decode(errors='ignore')}_{mark}_{ending}"
