"""The SQL of the SQLite target. Every name in it is quoted, every value is a parameter."""

# ruff: noqa: S608  see above

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.etl.destinations._ledger import CURSOR, FENCE, LEDGER
from services.etl.destinations._stage import row_column
from services.etl.pipeline.definition import History, Winner
from shared.engines.sqlite import quote

STAGE: Final = "temp._penstock_stage"

FIRMLY: Final = "OR ABORT "
"""A row that breaks a constraint is an error, whatever the constraint itself says of it."""

_ROW_NUMBERS: Final = ("_rowid_", "rowid", "oid")

LEDGER_ROW: Final = f"SELECT counts FROM main.{LEDGER} WHERE run_id = ?"
WRITE_LEDGER: Final = f"INSERT INTO main.{LEDGER} (run_id, table_key, fence, counts) VALUES (?, ?, ?, ?)"
HAS_TABLE: Final = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?"
HELD_FENCE: Final = f"SELECT fence FROM main.{FENCE} WHERE table_key = ?"
RAISE_FENCE: Final = (
    f"INSERT INTO main.{FENCE} (table_key, fence, run_id) VALUES (?, ?, ?)"
    " ON CONFLICT (table_key) DO UPDATE SET fence = excluded.fence, run_id = excluded.run_id"
    f" WHERE main.{FENCE}.fence <= excluded.fence"
)
LAST_CURSOR: Final = f"SELECT cursor FROM main.{CURSOR} WHERE stream = ?"
WRITE_CURSOR: Final = (
    f"INSERT INTO main.{CURSOR} (stream, cursor, run_id) VALUES (?, ?, ?) ON CONFLICT (stream) DO UPDATE SET"
    " cursor = excluded.cursor, run_id = excluded.run_id, updated_at = strftime('%Y-%m-%d %H:%M:%fZ', 'now')"
)
REFERRED: Final = """
    SELECT EXISTS (SELECT 1 FROM main.sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
                   WHERE m.type = 'table' AND lower(f."table") = lower(?1) AND lower(m.name) <> lower(?1))"""
"""Whether another table's foreign key points at the table."""

TRIGGERED: Final = """
    SELECT EXISTS (SELECT 1 FROM main.sqlite_master
                   WHERE type = 'trigger' AND lower(tbl_name) = lower(?))"""
DECIDES: Final = """
    SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND lower(name) = lower(?)
                   AND sql LIKE '%on%conflict%')"""
"""Whether a table may say itself what is to become of rows that break a constraint: IGNORE, REPLACE."""

LATER_ROWS: Final = "PRAGMA defer_foreign_keys = ON"
"""Until the COMMIT: a row may refer to one that comes after it."""

COLUMNS: Final = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
UNIQUE_KEYS: Final = """
    SELECT l.name, group_concat(x.name, char(0)), max(x.name IS NULL), max(x.coll <> 'BINARY')
    FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
    WHERE l."unique" AND NOT l.partial AND x.key GROUP BY l.name"""


def insert(table: str, columns: Sequence[str], *, rows: int = 1, firmly: str = "") -> str:
    """Some rows into a table that is already quoted."""
    marks = ", ".join("?" for _ in columns)
    return f"INSERT {firmly}INTO {table} ({listed(columns)}) VALUES {', '.join([f'({marks})'] * rows)}"


def create_stage(columns: Sequence[tuple[str, str]]) -> str:
    """A temporary table for names and declared types; its row number is the order of the source.

    A table has that number without a column for it, and may have no more columns than the target has.
    """
    spelled = ", ".join(f"{quote(name)} {quote(declared) if declared else ''}" for name, declared in columns)
    row = row_number([name for name, _ in columns])
    own = "" if row in _ROW_NUMBERS else f"{row} INTEGER PRIMARY KEY, "
    return f"CREATE TEMPORARY TABLE _penstock_stage ({own}{spelled})"


def row_number(columns: Sequence[str]) -> str:
    """What the row number of a stage of these columns is called, which needs no quotes."""
    taken = {name.casefold() for name in columns}
    return next((name for name in _ROW_NUMBERS if name not in taken), row_column(columns))


def drop_losers(columns: Sequence[str], key: Sequence[str], winner: Winner) -> str:
    """Keep one row for each key in the stage of these columns."""
    row = row_number(columns)
    kept = "max" if winner == "last" else "min"
    return (
        f"DELETE FROM {STAGE} WHERE {row} NOT IN (SELECT {kept}({row}) FROM {STAGE} GROUP BY {listed(key)})"
    )


def index_stage(key: Sequence[str]) -> str:
    """What finds rows of the stage by their key."""
    return f"CREATE INDEX temp._penstock_stage_key ON _penstock_stage ({listed(key)})"


def merge(
    table: str, columns: Sequence[str], key: Sequence[str], *, keep_known: bool = False, firmly: str = FIRMLY
) -> str:
    """The stage into the table: new keys are inserted, changed rows updated, equal ones left alone.

    With `keep_known` rows of known keys stay as they are. An update is firm by itself.
    """
    others = [] if keep_known else [name for name in columns if name not in key]
    action = "DO NOTHING"
    if others:
        changed = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in others)
        action = f"DO UPDATE SET {changed} WHERE {differ('t', 'excluded', others)}"
    return (
        f"INSERT {firmly}INTO main.{table} AS t ({listed(columns)}) SELECT {listed(columns)} FROM {STAGE}"
        f" WHERE true ORDER BY {listed(key)} ON CONFLICT ({listed(key)}) {action}"
    )


def delete_absent(table: str, key: Sequence[str]) -> str:
    """Rows of the table whose key is not in the stage go."""
    same = same_key("t", key)
    return f"DELETE FROM main.{table} AS t WHERE NOT EXISTS (SELECT 1 FROM {STAGE} AS s WHERE {same})"


def missing(table: str, key: Sequence[str]) -> str:
    """How many keys of the stage no row of the table has."""
    same = same_key("t", key)
    return (
        f"SELECT count(*) FROM {STAGE} AS s WHERE NOT EXISTS (SELECT 1 FROM main.{table} AS t WHERE {same})"
    )


def empty(table: str) -> str:
    """All rows of the table go, for those who look after the commit."""
    return f"DELETE FROM main.{table}"


def differ(left: str, right: str, columns: Sequence[str]) -> str:
    """Whether two rows differ in any of the columns, also by what their collation takes for the same."""
    old = ", ".join(f"{left}.{quote(name)} COLLATE BINARY" for name in columns)
    new = ", ".join(f"{right}.{quote(name)} COLLATE BINARY" for name in columns)
    return f"({old}) IS NOT ({new})"


def same_key(alias: str, key: Sequence[str]) -> str:
    """Whether a row of the stage `s` has the key of another row, by the bytes."""
    return " AND ".join(f"s.{quote(name)} = {alias}.{quote(name)}" for name in key)


@dataclass(frozen=True, slots=True)
class Versions:
    """What keeps versions of rows, in this order: look, close what is absent, drop what is unchanged, close
    what changed, open the rest. `table` is quoted; the stage has one row for each key.
    """

    table: str
    columns: Sequence[str]
    key: Sequence[str]
    history: History
    firmly: str = FIRMLY

    def look(self) -> str:
        """How many valid versions the keys of the stage have, of how many keys, and whether any valid version
        of the table begins at ? or later.
        """
        begins = f"t.{quote(self.history.valid_from)}"
        return (
            f"SELECT count(*), count(DISTINCT s.{row_number(self.columns)}), EXISTS (SELECT 1 FROM"
            f" main.{self.table} AS t WHERE {self._valid()} AND {begins} >= ?)"
            f" FROM main.{self.table} AS t JOIN {STAGE} AS s ON {self._of_key()} WHERE {self._valid()}"
        )

    def close_absent(self) -> str:
        """The valid versions of keys that are not in the stage end at ?."""
        return (
            f"UPDATE {self.firmly}main.{self.table} AS t SET {self._closed()} WHERE {self._valid()}"
            f" AND NOT EXISTS (SELECT 1 FROM {STAGE} AS s WHERE {self._of_key()})"
        )

    def drop_unchanged(self) -> str:
        """Rows of the stage that are as their valid version is go from the stage."""
        row = row_number(self.columns)
        others = [name for name in self.columns if name not in self.key]
        same = f" AND NOT ({differ('t', 's', others)})" if others else ""
        return (
            f"DELETE FROM {STAGE} WHERE {row} IN (SELECT s.{row} FROM main.{self.table} AS t"
            f" JOIN {STAGE} AS s ON {self._of_key()} WHERE {self._valid()}{same})"
        )

    def close_changed(self) -> str:
        """The valid versions of keys that are still in the stage end at ?."""
        return (
            f"UPDATE {self.firmly}main.{self.table} AS t SET {self._closed()} WHERE {self._valid()}"
            f" AND EXISTS (SELECT 1 FROM {STAGE} AS s WHERE {self._of_key()})"
        )

    def open_new(self) -> str:
        """What is still in the stage is valid from ?."""
        names, values = [*self.columns, self.history.valid_from, self.history.valid_to], "?, NULL"
        if self.history.active is not None:
            names.append(self.history.active)
            values += ", 1"
        return (
            f"INSERT {self.firmly}INTO main.{self.table} ({listed(names)})"
            f" SELECT {listed(self.columns)}, {values} FROM {STAGE} ORDER BY {listed(self.key)}"
        )

    def _closed(self) -> str:
        active, ended = self.history.active, f"{quote(self.history.valid_to)} = ?"
        return ended if active is None else f"{ended}, {quote(active)} = 0"

    def _valid(self) -> str:
        return f"t.{quote(self.history.valid_to)} IS NULL"

    def _of_key(self) -> str:
        return same_key("t", self.key)


def count(table: str) -> str:
    """How many rows a table has."""
    return f"SELECT count(*) FROM main.{table}"


def listed(names: Sequence[str]) -> str:
    """Quoted names, with commas."""
    return ", ".join(quote(name) for name in names)
