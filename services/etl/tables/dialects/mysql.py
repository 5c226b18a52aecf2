"""The DDL of MySQL and MariaDB for data tables.

DDL commits by itself here, but a single statement is atomic (MySQL 8.0, "Atomic Data Definition Statement
Support"; MariaDB 10.6, "Atomic DDL"). So a publish is one CREATE TABLE or one ALTER TABLE with everything
in it, with a note before it and the mark after it: whatever comes between, the next plan can go on.

Texts compare by their code points and trailing blanks count, as in PostgreSQL: the collation is the one
without padding that each server has, in a comment that only that server reads. Times are kept in UTC.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from services.etl.columns import TEXT, ColumnType, Kind
from services.etl.tables.definition import ColumnDefinition, Default, Location, TableDefinition
from services.etl.tables.physical import Mark, PhysicalColumn
from shared.contracts.connection import ConnectionInfo, MysqlConnection
from shared.engines import mysql
from shared.errors import Fault, Loc

from . import _mysql_limits as limits
from . import _mysql_marks as marks
from . import _mysql_natives as natives
from . import _mysql_types as types
from ._mysql_alter import RENAMED, Alteration
from ._mysql_marks import OPTIONS
from .base import MARKS, Capabilities, Dialect, text_literal
from .work import Sql, Statement, TableChange, Work, noting

KEY_TEXT: Final = ColumnType("varchar", length=255)
"""What a text column of a key or index is: an index has room for 3072 bytes, and a text may be longer."""

_BITS: Final = re.compile("b'[01]*'")
_PLAIN: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal", "float32", "float64"})
_LARGE: Final[frozenset[Kind]] = frozenset({"text", "json"})


class Mysql(Dialect):
    """MySQL 8.0.17 and MariaDB 10.6, and later ones."""

    name = "mysql"
    capabilities = Capabilities(
        schemas=True,
        default_schema=None,
        single_writer=False,
    )
    reserved_columns = frozenset({"db_row_id", "db_trx_id", "db_roll_ptr", "fts_doc_id"})
    reserved_schemas = frozenset({"mysql", "information_schema", "performance_schema", "sys"})

    def check_name(self, name: str, loc: Loc) -> None:
        super().check_name(name, loc)
        mysql.check_identifier(name, loc)

    def default_schema(self, connection: ConnectionInfo) -> str | None:
        """The database that the resource names, if it does."""
        return (connection.database or None) if isinstance(connection, MysqlConnection) else None

    def faults(self, definition: TableDefinition) -> Iterator[Fault]:
        held = [self.held(column, definition) for column in definition.columns]
        yield from limits.column_faults(definition, held)
        yield from limits.key_faults(definition, held)

    def held(self, column: ColumnDefinition, definition: TableDefinition) -> ColumnType:
        """A text in a key or index is bounded, so that the index can take it; other types are kept."""
        return KEY_TEXT if column.type == TEXT and column.name in definition.keyed else column.type

    def type_name(self, kind: ColumnType) -> str:
        return types.type_name(kind)

    def literal(self, kind: ColumnType, text: str) -> Sql:
        if kind.kind == "boolean":
            return Sql("1" if text == "true" else "0")
        if kind.kind in _PLAIN:
            return Sql(types.single(text) if kind.kind == "float32" else text)
        if kind.kind == "bytes":
            return Sql(f"(X'{text}')")
        spelled = text_literal(types.stored(kind, text))
        if max(text, default="") > limits.LAST_IN_CATALOG:
            # The catalog would show question marks in its place.
            return Sql(f"(CONVERT(X'{text.encode().hex()}' USING utf8mb4))")
        # Large values take expressions as defaults only (MySQL manual, section 11.6).
        return Sql(f"({spelled})") if kind.kind in _LARGE else spelled

    def now(self, kind: ColumnType) -> Sql:
        return Sql(f"({types.NOW[kind.kind].upper()})")

    def quote(self, identifier: str) -> Sql:
        return Sql(mysql.quote(identifier))

    def column(self, column: ColumnDefinition, definition: TableDefinition) -> Sql:
        kind, behind = self.typed(column, definition)
        kind = self.column_type(column, definition) if column.native is None else kind
        default = f" DEFAULT {self._default(column.type, column.default)}" if column.default else ""
        null = "" if column.nullable else " NOT NULL"
        return Sql(f"{self.quote(column.name)} {kind}{default}{null}{behind}{_comment(column)}")

    def declaration(self, column: ColumnDefinition, definition: TableDefinition) -> Sql:
        """The clause that declares a column of a table that others may have made: nothing is left to it."""
        kind, behind = self.typed(column, definition)
        null = "NULL" if column.nullable else "NOT NULL"
        default = self._declared_default(column)
        return Sql(f"{self.quote(column.name)} {kind} {null}{default}{behind}{_comment(column)}")

    def typed(self, column: ColumnDefinition, definition: TableDefinition) -> tuple[str, str]:
        """The type with its collation as a statement has it, and what comes behind a default."""
        return types.declared(self.column_type(column, definition))

    def _declared_default(self, column: ColumnDefinition) -> str:
        default = column.default
        if default is None:
            return ""
        if default.kept is None:
            return f" DEFAULT {self._default(column.type, default)}"
        if default.kept == "identity":
            return " AUTO_INCREMENT"
        return f" DEFAULT {default.kept if _BITS.fullmatch(default.kept) else f'({default.kept})'}"

    def type_of(self, spelled: str) -> ColumnType | None:
        return types.type_of(spelled)

    def default_of(self, column: PhysicalColumn, kind: ColumnType) -> Default | None:
        return None if column.default is None else types.default_of(column.default, kind)

    def native_name(self, text: str) -> str | None:
        return types.native_name(text)

    def castable(self, before: ColumnDefinition, after: ColumnDefinition) -> bool:
        return super().castable(before, after) or natives.castable(before, after)

    def alter(self, change: TableChange) -> Work:
        return Alteration(self, change).work()

    def key_clauses(self, definition: TableDefinition) -> list[Sql]:
        keys = [("UNIQUE KEY", key) for key in definition.unique_keys]
        keys += [("KEY", key) for key in definition.indexes]
        return [
            *self.primary_key_clause(definition),
            *(Sql(f"{kind} {self.quote(key.name)} ({self.listed(key.columns)})") for kind, key in keys),
        ]

    def key_statements(
        self,
        location: Location,  # noqa: ARG002 - the port's signature
        definition: TableDefinition,  # noqa: ARG002 - the port's signature
    ) -> list[Statement]:
        """None: all keys are part of the one statement that makes the table."""
        return []

    def comment_statements(
        self,
        location: Location,  # noqa: ARG002 - the port's signature
        definition: TableDefinition,  # noqa: ARG002 - the port's signature
        before: TableDefinition | None,  # noqa: ARG002 - the port's signature
    ) -> list[Statement]:
        """None: comments are part of the one statement that makes or changes the table."""
        return []

    def table_options(self, definition: TableDefinition) -> str:
        comment = f" COMMENT={text_literal(definition.comment)}" if definition.comment else ""
        return f" {OPTIONS}{comment}"

    def journaled(
        self,
        location: Location,
        mark: Mark,
        definition: TableDefinition,  # noqa: ARG002 - the port's signature
        statements: Sequence[Statement],
    ) -> list[Statement]:
        table = self.at(location, MARKS)
        made, *marked = map(noting, self._marking(location, mark))
        begun = [noting(marks.note(table, location.name, mark, "begun"))]
        settled = [noting(marks.note(table, location.name, mark, "settled"))]
        renamed = bool(statements) and statements[-1].reason == RENAMED
        last = max(len(statements) - 1 - renamed, 0)
        return [
            made,
            *(begun if statements else []),
            *statements[:last],
            *(settled if len(statements) > 1 else []),
            *statements[last:],
            *marked,
        ]

    def _marking(self, location: Location, mark: Mark) -> list[Sql]:
        table = self.at(location, MARKS)
        published = marks.note(table, location.name, mark, "published")
        outdated = marks.outdated(table, location.name, mark.table_id)
        return [marks.made(table), outdated, published, marks.ended(table, mark.table_id)]

    def unmarking(self, location: Location, mark: Mark) -> list[Statement]:
        return [noting(marks.removed(self.at(location, MARKS), mark.table_id))]


def _comment(column: ColumnDefinition) -> str:
    return f" COMMENT {text_literal(column.comment)}" if column.comment else ""
