"""SQLite's DDL for data tables.

SQLite gives a column an affinity by its type's name ("Datatypes In SQLite", 3.1) and would turn decimals,
times and identifiers into numbers where they look like some. So they are kept as text under type names
that say what they are and contain TEXT. INTEGER is avoided: as a primary key it would number the rows
by itself.
"""

import json
from collections.abc import Mapping
from datetime import datetime, time
from typing import Final

from services.etl.columns import ColumnType, Kind
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.physical import Mark

from .base import MARKS, Capabilities, Dialect, text_literal
from .work import Sql, Statement

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "TEXT",
    "boolean": "BOOLEAN",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE_TEXT",
    "time": "TIME_TEXT",
    "timestamp": "TIMESTAMP_TEXT",
    "timestamptz": "TIMESTAMPTZ_TEXT",
    "json": "JSON_TEXT",
    "uuid": "UUID_TEXT",
    "bytes": "BLOB",
}
_NOW: Final[Mapping[Kind, str]] = {
    "date": "%Y-%m-%d",
    "timestamp": "%Y-%m-%d %H:%M:%f000",
    "timestamptz": "%Y-%m-%d %H:%M:%f000Z",
}
_PLAIN: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "float32", "float64"})


def type_name(kind: ColumnType) -> str:
    """The declared type of a column."""
    if kind.kind == "varchar":
        return f"VARCHAR({kind.length})"
    if kind.kind == "decimal":
        return f"DECIMAL_TEXT({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


class Sqlite(Dialect):
    """SQLite 3.24 and later (the first with upserts)."""

    name = "sqlite"
    capabilities = Capabilities(
        schemas=False,
        default_schema=None,
        comments=False,
        single_writer=True,
        adds_columns_with_functions=False,
    )
    reserved_prefixes = (*Dialect.reserved_prefixes, "sqlite_")

    def type_name(self, kind: ColumnType) -> str:
        return type_name(kind)

    def literal(self, kind: ColumnType, text: str) -> Sql:
        if kind.kind == "boolean":
            return Sql("1" if text == "true" else "0")
        if kind.kind in _PLAIN:
            return Sql(text)
        return Sql(f"X'{text}'") if kind.kind == "bytes" else text_literal(_stored(kind, text))

    def now(self, kind: ColumnType) -> Sql:
        return Sql(f"(strftime('{_NOW[kind.kind]}', 'now'))")

    def key_clauses(self, definition: TableDefinition) -> list[Sql]:
        return list(self.primary_key_clause(definition))

    def key_statements(self, location: Location, definition: TableDefinition) -> list[Statement]:
        """A unique key is a unique index here: only so it keeps its name."""
        return [
            *(self.index(location, key, unique=True) for key in definition.unique_keys),
            *(self.index(location, key, unique=False) for key in definition.indexes),
        ]

    def comment_statements(
        self,
        location: Location,  # noqa: ARG002 - the port's signature
        definition: TableDefinition,  # noqa: ARG002 - the port's signature
        before: TableDefinition | None,  # noqa: ARG002 - the port's signature
    ) -> list[Statement]:
        """None: SQLite knows no comments; they are kept with the mark."""
        return []

    def marking(self, location: Location, mark: Mark, definition: TableDefinition) -> list[Sql]:
        marks = self.quote(MARKS)
        comments = {column.name: column.comment for column in definition.columns if column.comment}
        kept = json.dumps({"table": definition.comment, "columns": comments}, ensure_ascii=False)
        return [
            Sql(
                f"CREATE TABLE IF NOT EXISTS {marks} (table_id TEXT PRIMARY KEY, table_name TEXT NOT NULL,"
                " revision BIGINT NOT NULL, fingerprint TEXT NOT NULL, comments TEXT NOT NULL,"
                " published_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))"
            ),
            Sql(
                f"INSERT INTO {marks} (table_id, table_name, revision, fingerprint, comments)"  # noqa: S608 - quoted identifiers and literals only
                f" VALUES ('{mark.table_id}', {text_literal(location.name)}, {mark.revision:d},"
                f" {text_literal(mark.fingerprint)}, {text_literal(kept)})"
                " ON CONFLICT (table_id) DO UPDATE SET table_name = excluded.table_name,"
                " revision = excluded.revision, fingerprint = excluded.fingerprint,"
                " comments = excluded.comments, published_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
            ),
        ]

    def unmarking(self, location: Location, mark: Mark) -> list[Sql]:  # noqa: ARG002 - the port's signature
        return [Sql(f"DELETE FROM {self.quote(MARKS)} WHERE table_id = '{mark.table_id}'")]  # noqa: S608 - quoted identifiers and literals only


def _stored(kind: ColumnType, text: str) -> str:
    """The text that stands for a value in a table: times have microseconds, so that they sort as text."""
    if kind.kind == "time":
        return time.fromisoformat(text).isoformat(timespec="microseconds")
    if kind.kind in {"timestamp", "timestamptz"}:
        found = datetime.fromisoformat(text).replace(tzinfo=None)
        zone = "Z" if kind.kind == "timestamptz" else ""
        return found.isoformat(sep=" ", timespec="microseconds") + zone
    return text
