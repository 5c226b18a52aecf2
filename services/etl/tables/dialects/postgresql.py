"""PostgreSQL's DDL for data tables."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, Default, KeyDefinition, Location, TableDefinition
from services.etl.tables.physical import Mark, PhysicalColumn

from ._postgresql_alter import Alteration
from ._postgresql_checks import Objections
from ._postgresql_columns import can_cast, default_sql
from ._postgresql_defaults import default_of
from ._postgresql_marks import Marks
from ._postgresql_types import native_name, type_name, type_of
from .base import MARKS, Capabilities, Dialect, text_literal
from .work import Sql, Statement, TableChange, Work, noting


class Postgresql(Dialect):
    """PostgreSQL 12 and later."""

    name = "postgresql"
    capabilities = Capabilities(
        schemas=True,
        default_schema="public",
        single_writer=False,
    )
    # Every table has these columns already (manual, section 5.5).
    reserved_columns = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
    reserved_prefixes = (*Dialect.reserved_prefixes, "pg_")

    def type_name(self, kind: ColumnType) -> str:
        return type_name(kind)

    def type_of(self, spelled: str) -> ColumnType | None:
        return type_of(spelled)

    def default_of(self, column: PhysicalColumn, kind: ColumnType) -> Default | None:
        return default_of(column, kind)

    def native_name(self, text: str) -> str | None:
        return native_name(text)

    def castable(self, before: ColumnDefinition, after: ColumnDefinition) -> bool:
        return can_cast(before, after)

    def alter(self, change: TableChange) -> Work:
        objections = Objections(self, change)
        return Work(
            statements=tuple(Alteration(self, change).statements()),
            checks=tuple(objections.checks()),
            faults=tuple(objections.faults()),
        )

    def column(self, column: ColumnDefinition, definition: TableDefinition) -> Sql:
        default = default_sql(self, column, definition)
        filled = "" if default is None else f" DEFAULT {default}"
        null = "" if column.nullable else " NOT NULL"
        return Sql(f"{self.quote(column.name)} {self.column_type(column, definition)}{filled}{null}")

    def literal(self, kind: ColumnType, text: str) -> Sql:
        spelled = f"\\x{text}" if kind.kind == "bytes" else text
        return Sql(f"{text_literal(spelled)}::{self.type_name(kind)}")

    def now(self, kind: ColumnType) -> Sql:
        if kind.kind == "timestamptz":
            return Sql("now()")
        return Sql(f"(now() AT TIME ZONE 'UTC')::{self.type_name(kind)}")

    def key_clauses(self, definition: TableDefinition) -> list[Sql]:
        return [
            *self.primary_key_clause(definition),
            *(self._unique(key) for key in definition.unique_keys if not _is_twin(key, definition)),
        ]

    def key_statements(self, location: Location, definition: TableDefinition) -> list[Statement]:
        """The indexes, and unique keys that CREATE TABLE would take for the same as another key of it."""
        reason = "The unique key {} is over the columns of another key."
        twins = [key for key in definition.unique_keys if _is_twin(key, definition)]
        return [
            *(
                Statement(
                    Sql(f"ALTER TABLE {self.at(location)} ADD {self._unique(key)}"),
                    "safe",
                    reason.format(key.name),
                )
                for key in twins
            ),
            *(self.index(location, key, unique=False) for key in definition.indexes),
        ]

    def _unique(self, key: KeyDefinition) -> Sql:
        return Sql(f"CONSTRAINT {self.quote(key.name)} UNIQUE ({self.listed(key.columns)})")

    def comment_statements(
        self, location: Location, definition: TableDefinition, before: TableDefinition | None
    ) -> list[Statement]:
        return [
            Statement(Sql(f"COMMENT ON {thing} IS {text_literal(comment)}"), "safe", "The comment is set.")
            for thing, comment in self._comments(location, definition, before)
        ]

    def _comments(
        self, location: Location, definition: TableDefinition, before: TableDefinition | None
    ) -> Iterator[tuple[str, str]]:
        if definition.comment != (before.comment if before else ""):
            yield f"TABLE {self.at(location)}", definition.comment
        known = {column.id: column.comment for column in before.columns} if before else {}
        for column in definition.columns:
            if column.comment != known.get(column.id, ""):
                yield f"COLUMN {self.at(location)}.{self.quote(column.name)}", column.comment

    def unmarking(self, location: Location, mark: Mark) -> list[Statement]:
        return [noting(self._marks(location).removed(mark.table_id))]

    def journaled(
        self,
        location: Location,
        mark: Mark,
        definition: TableDefinition,  # noqa: ARG002 - the port's signature
        statements: Sequence[Statement],
    ) -> list[Statement]:
        """With the mark in the transaction of the statements.

        Where they are more than one transaction, the first notes what has begun.
        """
        marks = self._marks(location)
        several = any(statement.alone for statement in statements)
        begun = marks.begun(location, mark) if several else []
        return [*begun, *statements, *marks.published(location, mark)]

    def ending(self, location: Location, table_id: UUID) -> Sql:
        """Take away the note of what has begun, where nothing of it was done."""
        return self._marks(location).ended(table_id)

    def _marks(self, location: Location) -> Marks:
        return Marks(self.at(location, MARKS))


def _is_twin(key: KeyDefinition, definition: TableDefinition) -> bool:
    """Whether a key before it has the same columns: in one statement the server would make only one."""
    at = definition.unique_keys.index(key)
    before = [definition.primary_key, *(one.columns for one in definition.unique_keys[:at])]
    return key.columns in before
