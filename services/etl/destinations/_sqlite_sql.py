"""The SQL of the SQLite target. Every name in it is quoted, every value is a parameter."""

# ruff: noqa: S608  see above

from collections.abc import Sequence
from typing import Final

from services.etl.destinations._ledger import FENCE, LEDGER
from services.etl.destinations._stage import row_column
from services.etl.pipeline.definition import Winner
from shared.engines.sqlite import quote

STAGE: Final = "temp._penstock_stage"

LEDGER_ROW: Final = f"SELECT counts FROM main.{LEDGER} WHERE run_id = ?"
WRITE_LEDGER: Final = f"INSERT INTO main.{LEDGER} (run_id, table_key, fence, counts) VALUES (?, ?, ?, ?)"
HAS_TABLE: Final = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?"
HELD_FENCE: Final = f"SELECT fence FROM main.{FENCE} WHERE table_key = ?"
RAISE_FENCE: Final = (
    f"INSERT INTO main.{FENCE} (table_key, fence, run_id) VALUES (?, ?, ?)"
    " ON CONFLICT (table_key) DO UPDATE SET fence = excluded.fence, run_id = excluded.run_id"
    f" WHERE main.{FENCE}.fence <= excluded.fence"
)
COLUMNS: Final = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
UNIQUE_KEYS: Final = """
    SELECT l.name, group_concat(x.name, char(0)), max(x.name IS NULL), max(x.coll <> 'BINARY')
    FROM pragma_index_list(?) AS l, pragma_index_xinfo(l.name) AS x
    WHERE l."unique" AND NOT l.partial AND x.key GROUP BY l.name"""


def insert(table: str, columns: Sequence[str]) -> str:
    """One row into a table that is already quoted."""
    marks = ", ".join("?" for _ in columns)
    return f"INSERT INTO {table} ({_listed(columns)}) VALUES ({marks})"


def create_stage(columns: Sequence[tuple[str, str]]) -> str:
    """A temporary table for names and declared types; its row number is the order of the source."""
    spelled = ", ".join(f"{quote(name)} {quote(declared) if declared else ''}" for name, declared in columns)
    row = row_column([name for name, _ in columns])
    return f"CREATE TEMPORARY TABLE _penstock_stage ({row} INTEGER PRIMARY KEY, {spelled})"


def drop_losers(columns: Sequence[str], key: Sequence[str], winner: Winner) -> str:
    """Keep one row for each key in the stage of these columns."""
    row = row_column(columns)
    kept = "max" if winner == "last" else "min"
    return (
        f"DELETE FROM {STAGE} WHERE {row} NOT IN (SELECT {kept}({row}) FROM {STAGE} GROUP BY {_listed(key)})"
    )


def merge(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """The stage into the table: new keys are inserted, changed rows updated, equal ones left alone."""
    others = [name for name in columns if name not in key]
    action = "DO NOTHING"
    if others:
        changed = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in others)
        old = ", ".join(f"t.{quote(name)}" for name in others)
        new = ", ".join(f"excluded.{quote(name)}" for name in others)
        action = f"DO UPDATE SET {changed} WHERE ({old}) IS NOT ({new})"
    return (
        f"INSERT INTO main.{table} AS t ({_listed(columns)}) SELECT {_listed(columns)} FROM {STAGE}"
        f" WHERE true ORDER BY {_listed(key)} ON CONFLICT ({_listed(key)}) {action}"
    )


def count(table: str) -> str:
    """How many rows a table has."""
    return f"SELECT count(*) FROM main.{table}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)
