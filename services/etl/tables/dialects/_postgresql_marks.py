"""The notes that publishes leave in a schema of PostgreSQL: which data table a table is, at which revision.

A table of notes that an older version made has no columns for what has begun: they are added only where they
are missing, because adding waits for all that read the notes.
"""

from uuid import UUID

from services.etl.tables.definition import Location
from services.etl.tables.physical import Mark

from .base import text_literal
from .work import Sql, Statement, noting

# ruff: noqa: S608 - all SQL here is of quoted identifiers, quoted literals and our own words


class Marks:
    """The SQL of the notes in one schema; `table` is the full name of their table."""

    def __init__(self, table: Sql) -> None:
        self._table = table

    def begun(self, location: Location, mark: Mark) -> list[Statement]:
        """Note what is about to be done, beside what was done last."""
        return [
            self._made(),
            _own(self._widened()),
            _own(
                f"INSERT INTO {self._table} AS m"
                " (table_id, table_name, revision, fingerprint,"
                " begun_name, begun_revision, begun_fingerprint)"
                f" VALUES ('{mark.table_id}', {text_literal(location.name)}, 0, '',"
                f" {text_literal(location.name)}, {mark.revision:d}, {text_literal(mark.fingerprint)})"
                " ON CONFLICT (table_id) DO UPDATE SET begun_name = excluded.begun_name,"
                " begun_revision = excluded.begun_revision, begun_fingerprint = excluded.begun_fingerprint"
            ),
        ]

    def published(self, location: Location, mark: Mark) -> list[Statement]:
        """Note what is done by now; nothing has begun any more."""
        return [
            self._made(),
            _own(self.removed(mark.table_id)),
            # There is one table of a name: who had one of this name before has none by now.
            _own(f"DELETE FROM {self._table} WHERE table_name = {text_literal(location.name)}"),
            _own(
                f"INSERT INTO {self._table} (table_id, table_name, revision, fingerprint)"
                f" VALUES ('{mark.table_id}', {text_literal(location.name)}, {mark.revision:d},"
                f" {text_literal(mark.fingerprint)})"
            ),
        ]

    def ended(self, table_id: UUID) -> Sql:
        """Nothing has begun; for a table of notes that says what has."""
        return Sql(
            f"UPDATE {self._table} SET begun_name = NULL, begun_revision = NULL, begun_fingerprint = NULL"
            f" WHERE table_id = '{table_id}'"
        )

    def removed(self, table_id: UUID) -> Sql:
        """No note of this data table."""
        return Sql(f"DELETE FROM {self._table} WHERE table_id = '{table_id}'")

    def _made(self) -> Statement:
        return _own(
            f"CREATE TABLE IF NOT EXISTS {self._table} (table_id uuid PRIMARY KEY, table_name text NOT NULL,"
            " revision bigint NOT NULL, fingerprint text NOT NULL,"
            " published_at timestamp with time zone NOT NULL DEFAULT now(),"
            " begun_name text, begun_revision bigint, begun_fingerprint text)"
        )

    def _widened(self) -> str:
        missing = (
            "NOT EXISTS (SELECT FROM pg_catalog.pg_attribute"
            f" WHERE attrelid = {text_literal(self._table)}::regclass AND attname = 'begun_revision')"
        )
        added = (
            "ADD COLUMN begun_name text, ADD COLUMN begun_revision bigint, ADD COLUMN begun_fingerprint text"
        )
        body = f"BEGIN IF {missing} THEN ALTER TABLE {self._table} {added}; END IF; END"
        return f"DO {text_literal(body)}"


def _own(sql: str) -> Statement:
    return noting(Sql(sql))
