"""SQLite's DDL for data tables."""

import json
from collections.abc import Sequence

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, Default, Location, TableDefinition
from services.etl.tables.physical import Mark, PhysicalColumn

from . import _sqlite_change
from . import _sqlite_defaults as defaults
from . import _sqlite_types as types
from .base import MARKS, Capabilities, Dialect, text_literal
from .casts import castable
from .work import Sql, Statement, TableChange, Work, noting


class Sqlite(Dialect):
    """SQLite 3.26 and later (the first with `pragma_table_xinfo`)."""

    name = "sqlite"
    capabilities = Capabilities(
        schemas=False,
        default_schema=None,
        single_writer=True,
    )
    reserved_prefixes = (*Dialect.reserved_prefixes, "sqlite_")

    def type_name(self, kind: ColumnType) -> str:
        return types.type_name(kind)

    def literal(self, kind: ColumnType, text: str) -> Sql:
        return defaults.literal(kind, text)

    def now(self, kind: ColumnType) -> Sql:
        return defaults.now(kind)

    def type_of(self, spelled: str) -> ColumnType | None:
        return types.type_of(spelled)

    def native_name(self, text: str) -> str | None:
        return types.native_name(text)

    def default_of(self, column: PhysicalColumn, kind: ColumnType) -> Default | None:
        return defaults.read(column.default, kind)

    def alter(self, change: TableChange) -> Work:
        """In place where SQLite can, else by a rebuild of the table."""
        return _sqlite_change.work(change, self)

    def castable(self, before: ColumnDefinition, after: ColumnDefinition) -> bool:
        """Types by name count, too: a value tells its class itself, and the check looks at each."""
        return castable(before.type, after.type) and types.keeps(
            after.native or self.type_name(after.type), after.type
        )

    def journaled(
        self, location: Location, mark: Mark, definition: TableDefinition, statements: Sequence[Statement]
    ) -> list[Statement]:
        """The statements and then the mark, in their transaction."""
        return [*statements, *map(noting, self._marking(location, mark, definition))]

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

    def _marking(self, location: Location, mark: Mark, definition: TableDefinition) -> list[Sql]:
        marks = self.quote(MARKS)
        comments = {column.name: column.comment for column in definition.columns if column.comment}
        kept = json.dumps({"table": definition.comment, "columns": comments}, ensure_ascii=False)
        return [
            Sql(
                f"CREATE TABLE IF NOT EXISTS {marks} (table_id TEXT PRIMARY KEY, table_name TEXT NOT NULL,"
                " revision BIGINT NOT NULL, fingerprint TEXT NOT NULL, comments TEXT NOT NULL,"
                " published_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))"
            ),
            # There is one table of a name: who had one of this name before has none by now.
            Sql(
                f"DELETE FROM {marks} WHERE table_name = {text_literal(location.name)} COLLATE NOCASE"  # noqa: S608 - as below
                f" AND table_id <> '{mark.table_id}'"
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

    def unmarking(self, location: Location, mark: Mark) -> list[Statement]:  # noqa: ARG002 - the port's signature
        table = self.quote(MARKS)
        return [noting(Sql(f"DELETE FROM {table} WHERE table_id = '{mark.table_id}'"))]  # noqa: S608 - quoted identifiers and literals only
