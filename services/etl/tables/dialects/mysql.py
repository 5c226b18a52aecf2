"""The DDL of MySQL and MariaDB for data tables.

DDL commits by itself here, but a single statement is atomic (MySQL 8.0, "Atomic Data Definition Statement
Support"; MariaDB 10.6, "Atomic DDL"). So a publish is one CREATE TABLE or one ALTER TABLE with everything
in it, with a note before it and the mark after it: whatever comes between, the next plan can go on.

Texts compare by their code points and trailing blanks count, as in PostgreSQL: the collation is the one
without padding that each server has, in a comment that only that server reads. Times are kept in UTC.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, Literal

from services.etl.columns import TEXT, ColumnType, Kind
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.physical import Mark
from shared.contracts.connection import ConnectionInfo, MysqlConnection
from shared.engines import mysql
from shared.errors import Fault, Loc

from . import _mysql_limits as limits
from .base import MARKS, Capabilities, Dialect, new_columns, text_literal
from .work import Sql, Statement

KEY_TEXT: Final = ColumnType("varchar", length=255)
"""What a text column of a key or index is: an index has room for 3072 bytes, and a text may be longer."""

OPTIONS: Final = (
    "ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4"
    " /*!80017 COLLATE utf8mb4_0900_bin */ /*M!100203 COLLATE utf8mb4_nopad_bin */"
)
"""MySQL 8.0.17 and MariaDB 10.2.3 have their collation; each takes the other's comment for a comment."""

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "longtext",
    "boolean": "tinyint(1)",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    # The server shows a FLOAT with six digits only, so that it looks like another number.
    "float32": "double",
    "float64": "double",
    "date": "date",
    "time": "time(6)",
    "timestamp": "datetime(6)",
    "timestamptz": "datetime(6)",
    "json": "json",
    "uuid": "char(36)",
    "bytes": "longblob",
}
_NOW: Final[Mapping[Kind, str]] = {
    "date": "(UTC_DATE())",
    "timestamp": "(UTC_TIMESTAMP(6))",
    "timestamptz": "(UTC_TIMESTAMP(6))",
}
_PLAIN: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal", "float32", "float64"})
_LARGE: Final[frozenset[Kind]] = frozenset({"text", "json"})

State = Literal["begun", "published"]


def type_name(kind: ColumnType) -> str:
    """The type as the catalog spells it, without the display widths that some versions add."""
    if kind.kind == "varchar":
        return f"varchar({kind.length})"
    if kind.kind == "decimal":
        return f"decimal({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


class Mysql(Dialect):
    """MySQL 8.0.17 and MariaDB 10.6, and later ones."""

    name = "mysql"
    capabilities = Capabilities(
        schemas=True,
        default_schema=None,
        comments=True,
        single_writer=False,
        # MySQL refuses it when it writes a binary log: error 1674.
        adds_columns_with_functions=False,
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
        return type_name(kind)

    def literal(self, kind: ColumnType, text: str) -> Sql:
        if kind.kind == "boolean":
            return Sql("1" if text == "true" else "0")
        if kind.kind in _PLAIN:
            return Sql(_single(text) if kind.kind == "float32" else text)
        if kind.kind == "bytes":
            return Sql(f"(X'{text}')")
        spelled = text_literal(_stored(kind, text))
        # Large values take expressions as defaults only (MySQL manual, section 11.6).
        return Sql(f"({spelled})") if kind.kind in _LARGE else spelled

    def now(self, kind: ColumnType) -> Sql:
        return Sql(_NOW[kind.kind])

    def quote(self, identifier: str) -> Sql:
        return Sql(mysql.quote(identifier))

    def column(self, column: ColumnDefinition, definition: TableDefinition) -> Sql:
        comment = f" COMMENT {text_literal(column.comment)}" if column.comment else ""
        return Sql(f"{super().column(column, definition)}{comment}")

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

    def change(self, location: Location, before: TableDefinition, after: TableDefinition) -> list[Statement]:
        added = new_columns(before, after)
        comments = {column.id: column.comment for column in before.columns}
        commented = [one for one in after.columns if comments.get(one.id, one.comment) != one.comment]
        parts = [f"ADD COLUMN {self.column(column, after)}" for column in added]
        parts += [f"MODIFY COLUMN {self.column(column, after)}" for column in commented]
        if after.comment != before.comment:
            parts.append(f"COMMENT={text_literal(after.comment)}")
        if not parts:
            return []
        lines = ",\n  ".join(parts)
        return [Statement(Sql(f"ALTER TABLE {self.at(location)}\n  {lines}"), "safe", _reason(added))]

    def noted(
        self, location: Location, mark: Mark, definition: TableDefinition, statements: Iterable[Sql]
    ) -> list[Sql]:
        made, *marked = self.marking(location, mark, definition)
        return [made, self._note(location, mark, "begun"), *statements, *marked]

    def marking(self, location: Location, mark: Mark, definition: TableDefinition) -> list[Sql]:  # noqa: ARG002 - the port's signature
        marks = self.at(location, MARKS)
        made = Sql(
            f"CREATE TABLE IF NOT EXISTS {marks} (table_id char(36) NOT NULL, state varchar(10) NOT NULL,"
            " table_name varchar(64) NOT NULL, revision bigint NOT NULL, fingerprint char(64) NOT NULL,"
            " noted_at datetime(6) NOT NULL DEFAULT (UTC_TIMESTAMP(6)),"
            f" PRIMARY KEY (table_id, state)) {OPTIONS}"
        )
        ended = Sql(f"DELETE FROM {marks} WHERE table_id = '{mark.table_id}' AND state = 'begun'")  # noqa: S608 - quoted identifiers and literals only
        return [made, self._note(location, mark, "published"), ended]

    def unmarking(self, location: Location, mark: Mark) -> list[Sql]:
        return [Sql(f"DELETE FROM {self.at(location, MARKS)} WHERE table_id = '{mark.table_id}'")]  # noqa: S608 - quoted identifiers and literals only

    def _note(self, location: Location, mark: Mark, state: State) -> Sql:
        return Sql(
            f"REPLACE INTO {self.at(location, MARKS)} (table_id, state, table_name, revision, fingerprint)"  # noqa: S608 - quoted identifiers and literals only
            f" VALUES ('{mark.table_id}', '{state}', {text_literal(location.name)}, {mark.revision:d},"
            f" {text_literal(mark.fingerprint)})"
        )


def _reason(added: list[ColumnDefinition]) -> str:
    if not added:
        return "Comments are set."
    names = ", ".join(column.name for column in added)
    return f"New: {names}. Comments are set with it."


def _single(text: str) -> str:
    """The number with single precision that is nearest, with all its digits."""
    (nearest,) = struct.unpack("f", struct.pack("f", float(text)))
    return repr(nearest)


def _stored(kind: ColumnType, text: str) -> str:
    """The text that stands for a value: times with zone come in UTC and are kept without it."""
    if kind.kind in {"timestamp", "timestamptz"}:
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    return text
