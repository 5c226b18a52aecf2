"""The SQL that keeps versions of rows in a table of PostgreSQL, out of a stage with one row for each key."""

# ruff: noqa: S608  every name is quoted, every value is a parameter

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.etl.destinations import _postgresql_sql as sql
from services.etl.destinations._stage import row_column
from services.etl.pipeline.definition import History
from shared.engines.postgresql import quote

_STAGE = f"pg_temp.{sql.STAGE}"


@dataclass(frozen=True, slots=True)
class Statements:
    """In their order: look, close what is absent, drop what is unchanged, close what changed, open the rest.

    `table` is quoted. The version of a row is valid while its `valid_to` is NULL.
    """

    table: str
    columns: Sequence[str]
    key: Sequence[str]
    history: History
    uncomparable: Mapping[str, str]

    def look(self) -> str:
        """How many keys of the stage have a valid version, how many versions those are, and whether any valid
        version of the table begins at $1 or later.
        """
        row = row_column(self.columns)
        return (
            f"SELECT count(*) AS versions, count(DISTINCT s.{row}) AS keys,"
            f" EXISTS (SELECT FROM {self.table} AS t WHERE {self._valid()}"
            f" AND t.{quote(self.history.valid_from)} >= $1) AS later"
            f" FROM {self.table} AS t JOIN {_STAGE} AS s ON {self._of_key()} WHERE {self._valid()}"
        )

    def close_absent(self) -> str:
        """The valid versions of keys that are not in the stage end at $1."""
        return (
            f"UPDATE {self.table} AS t SET {self._closed()} WHERE {self._valid()}"
            f" AND NOT EXISTS (SELECT FROM {_STAGE} AS s WHERE {self._of_key()})"
        )

    def drop_unchanged(self) -> str:
        """Rows of the stage that are as their valid version is go from the stage."""
        return (
            f"DELETE FROM {_STAGE} AS s USING {self.table} AS t WHERE {self._of_key()} AND {self._valid()}"
            f" AND {self._unchanged()}"
        )

    def close_changed(self) -> str:
        """The valid versions of keys that are still in the stage end at $1."""
        return (
            f"UPDATE {self.table} AS t SET {self._closed()} FROM {_STAGE} AS s"
            f" WHERE {self._of_key()} AND {self._valid()}"
        )

    def open_new(self) -> str:
        """What is still in the stage is valid from $1."""
        names = [*self.columns, self.history.valid_from, self.history.valid_to]
        values = f"{sql.listed(self.columns)}, $1, NULL"
        if self.history.active is not None:
            names.append(self.history.active)
            values += ", true"
        return (
            f"INSERT INTO {self.table} ({sql.listed(names)}) SELECT {values} FROM {_STAGE}"
            f" ORDER BY {sql.listed(self.key)}"
        )

    def _closed(self) -> str:
        active = self.history.active
        ended = f"{quote(self.history.valid_to)} = $1"
        return ended if active is None else f"{ended}, {quote(active)} = false"

    def _valid(self) -> str:
        return f"t.{quote(self.history.valid_to)} IS NULL"

    def _of_key(self) -> str:
        return " AND ".join(f"t.{quote(name)} = s.{quote(name)}" for name in self.key)

    def _unchanged(self) -> str:
        others = [name for name in self.columns if name not in self.key]
        if not others:
            return "true"
        old, new = (sql.compared(alias, others, self.uncomparable) for alias in ("t", "s"))
        return f"({old}) IS NOT DISTINCT FROM ({new})"
