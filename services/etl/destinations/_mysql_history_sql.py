"""The SQL that keeps versions of rows in a table of MySQL, out of a stage with one row for each key."""

# ruff: noqa: S608  every name is quoted, the moment is the server's own

from collections.abc import Sequence
from dataclasses import dataclass

from services.etl.destinations import _mysql_sql as sql
from services.etl.pipeline.definition import History
from shared.engines.mysql import quote


@dataclass(frozen=True, slots=True)
class Statements:
    """In their order: look, close what is absent, drop what is unchanged, close what changed, open the rest.

    `table` and `stage` are quoted. The version of a row is valid while its `valid_to` is NULL. `moment` is
    spelled as the server does, in UTC. `kept` are columns that the server would touch when a version ends.
    """

    table: str
    stage: str
    columns: Sequence[sql.Found]
    key: Sequence[str]
    history: History
    moment: str
    kept: Sequence[str] = ()

    def valid_versions(self) -> str:
        """How many valid versions the keys of the stage have, and how many of the keys have one."""
        keys = ", ".join(f"s.{quote(name)}" for name in self.key)
        return f"SELECT COUNT(*), COUNT(DISTINCT {keys}) FROM {self._both()} WHERE {self._valid()}"

    def later_versions(self) -> str:
        """Whether a valid version of the table begins at the moment or later."""
        begins = f"t.{quote(self.history.valid_from)} >= '{self.moment}'"
        return f"SELECT EXISTS (SELECT 1 FROM {self.table} AS t WHERE {self._valid()} AND {begins})"

    def close_absent(self) -> str:
        """The valid versions of keys that are not in the stage end."""
        return (
            f"UPDATE {self.table} AS t LEFT JOIN {self.stage} AS s ON {sql.joined('t', self.key)}"
            f" SET {self._closed()} WHERE {self._valid()} AND s.{quote(self.key[0])} IS NULL"
        )

    def drop_unchanged(self) -> str:
        """Rows of the stage that are as their valid version is go from the stage."""
        others = [column for column in self.columns if column.name not in self.key]
        unchanged = "".join(f" AND {sql.same(column)}" for column in others)
        return f"DELETE s FROM {self._both()} WHERE {self._valid()}{unchanged}"

    def close_changed(self) -> str:
        """The valid versions of keys that are still in the stage end."""
        return f"UPDATE {self._both()} SET {self._closed()} WHERE {self._valid()}"

    def open_new(self) -> str:
        """What is still in the stage is valid from the moment on."""
        names = [column.name for column in self.columns]
        filled = [self.history.valid_from, self.history.valid_to]
        values = f"{sql.listed(names)}, '{self.moment}', NULL"
        if self.history.active is not None:
            filled.append(self.history.active)
            values += ", 1"
        return (
            f"INSERT INTO {self.table} ({sql.listed([*names, *filled])}) SELECT {values} FROM {self.stage}"
            f" ORDER BY {sql.listed(self.key)}"
        )

    def _both(self) -> str:
        return f"{self.stage} AS s JOIN {self.table} AS t ON {sql.joined('t', self.key)}"

    def _valid(self) -> str:
        return f"t.{quote(self.history.valid_to)} IS NULL"

    def _closed(self) -> str:
        ended = [f"t.{quote(self.history.valid_to)} = '{self.moment}'"]
        if self.history.active is not None:
            ended.append(f"t.{quote(self.history.active)} = 0")
        return ", ".join([*ended, *(f"t.{quote(name)} = t.{quote(name)}" for name in self.kept)])
