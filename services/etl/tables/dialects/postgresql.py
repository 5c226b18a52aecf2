"""PostgreSQL's DDL for data tables."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.etl.columns import ColumnType, Kind
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.physical import Mark

from .base import MARKS, Capabilities, Dialect, text_literal
from .work import Sql, Statement

_TYPES: Final[Mapping[Kind, str]] = {
    "text": "text",
    "boolean": "boolean",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float32": "real",
    "float64": "double precision",
    "date": "date",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "json": "jsonb",
    "uuid": "uuid",
    "bytes": "bytea",
}


def type_name(kind: ColumnType) -> str:
    """The type as `format_type` spells it (manual, section 9.27)."""
    if kind.kind == "varchar":
        return f"character varying({kind.length})"
    if kind.kind == "decimal":
        return f"numeric({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


class Postgresql(Dialect):
    """PostgreSQL 12 and later."""

    name = "postgresql"
    capabilities = Capabilities(
        schemas=True,
        default_schema="public",
        comments=True,
        single_writer=False,
        adds_columns_with_functions=True,
    )
    # Every table has these columns already (manual, section 5.5).
    reserved_columns = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
    reserved_prefixes = (*Dialect.reserved_prefixes, "pg_")

    def type_name(self, kind: ColumnType) -> str:
        return type_name(kind)

    def literal(self, kind: ColumnType, text: str) -> Sql:
        spelled = f"\\x{text}" if kind.kind == "bytes" else text
        return Sql(f"{text_literal(spelled)}::{self.type_name(kind)}")

    def now(self, kind: ColumnType) -> Sql:
        if kind.kind == "timestamptz":
            return Sql("now()")
        return Sql(f"(now() AT TIME ZONE 'UTC')::{self.type_name(kind)}")

    def key_clauses(self, definition: TableDefinition) -> list[Sql]:
        unique = [
            Sql(f"CONSTRAINT {self.quote(key.name)} UNIQUE ({self.listed(key.columns)})")
            for key in definition.unique_keys
        ]
        return [*self.primary_key_clause(definition), *unique]

    def key_statements(self, location: Location, definition: TableDefinition) -> list[Statement]:
        return [self.index(location, key, unique=False) for key in definition.indexes]

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

    def marking(self, location: Location, mark: Mark, definition: TableDefinition) -> list[Sql]:  # noqa: ARG002 - the port's signature
        marks = self.at(location, MARKS)
        return [
            Sql(
                f"CREATE TABLE IF NOT EXISTS {marks} (table_id uuid PRIMARY KEY, table_name text NOT NULL,"
                " revision bigint NOT NULL, fingerprint text NOT NULL,"
                " published_at timestamp with time zone NOT NULL DEFAULT now())"
            ),
            Sql(
                f"INSERT INTO {marks} (table_id, table_name, revision, fingerprint)"  # noqa: S608 - quoted identifiers and literals only
                f" VALUES ('{mark.table_id}', {text_literal(location.name)}, {mark.revision:d},"
                f" {text_literal(mark.fingerprint)})"
                " ON CONFLICT (table_id) DO UPDATE SET table_name = excluded.table_name,"
                " revision = excluded.revision, fingerprint = excluded.fingerprint, published_at = now()"
            ),
        ]

    def unmarking(self, location: Location, mark: Mark) -> list[Sql]:
        return [Sql(f"DELETE FROM {self.at(location, MARKS)} WHERE table_id = '{mark.table_id}'")]  # noqa: S608 - quoted identifiers and literals only
