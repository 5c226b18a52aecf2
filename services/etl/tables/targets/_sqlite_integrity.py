"""What else of an SQLite file hangs on a table, and whether it works: before a change, and after it.

While a table is made anew, SQLite checks neither foreign keys nor views nor triggers; so it is asked about
each of them. What didn't work before may go on not working.
"""

# ruff: noqa: S608 - quoted names only

import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from services.etl.tables.dialects._sqlite_declaration import mentions
from services.etl.tables.errors import TargetRefused
from shared.engines.sqlite import quote

_MISMATCH: Final = 1 << 62
"""More violations than there can be: the foreign key has no key to refer to."""
_MOST_TEXT: Final = 100_000
_TURNS: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Integrity:
    """Views and triggers by name, those that don't work, and for each table the rows that refer to none."""

    dependents: tuple[str, ...]
    broken: frozenset[str]
    astray: Mapping[str, int]

    def require(self, before: "Integrity") -> None:
        """Raise TargetRefused for what worked before and doesn't now."""
        broken = sorted(self.broken - before.broken)
        if broken:
            raise TargetRefused(
                reason=f"{', '.join(broken)} would not work any more; change that there first"
            )
        for table, rows in self.astray.items():
            if rows > before.astray.get(table, 0):
                raise TargetRefused(
                    reason=f"the foreign keys of {table} would refer to what isn't there any more"
                )


def looked_at(connection: sqlite3.Connection, *names: str) -> Integrity:
    """All that names one of these tables, or belongs to it."""
    views, triggers = _dependents(connection, names)
    broken = [
        f"the view {view!r}" for view in views if not _works(connection, f"SELECT * FROM {quote(view)}")
    ]
    for table, own in triggers.items():
        if not all(_works(connection, statement) for statement in _writes(connection, table)):
            broken.append(f"one of the triggers {', '.join(repr(name) for name in own)}")
    named = (*views, *(name for own in triggers.values() for name in own))
    return Integrity(named, frozenset(broken), _astray(connection, names))


def _dependents(
    connection: sqlite3.Connection, names: tuple[str, ...]
) -> tuple[list[str], Mapping[str, list[str]]]:
    """Views, and triggers by the table that they are on."""
    own = {name.casefold() for name in names}
    views: list[str] = []
    triggers: dict[str, list[str]] = {}
    rows = connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')"
        " AND length(sql) <= ? ORDER BY name",
        (_MOST_TEXT,),
    ).fetchall()
    for kind, name, table, sql in rows:
        if table.casefold() not in own and not any(mentions(sql, one) for one in names):
            continue
        if kind == "view":
            views.append(name)
        else:
            triggers.setdefault(table, []).append(name)
    return views, triggers


def _writes(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Statements that make SQLite compile every trigger of the table."""
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)).fetchall()
    named = quote(table)
    same = ", ".join(f"{quote(column)} = {quote(column)}" for (column,) in rows)
    yield f"INSERT INTO {named} DEFAULT VALUES"
    yield f"UPDATE {named} SET {same}"
    yield f"DELETE FROM {named}"


def _works(connection: sqlite3.Connection, statement: str) -> bool:
    """Whether SQLite can compile it: EXPLAIN runs nothing.

    The text is another one each time. The driver keeps statements by their text, and an EXPLAIN from before a
    change of the schema tells of that time, or crashes (SQLite 3.40 with a trigger that has become wrong).
    """
    try:
        connection.execute(f"EXPLAIN {statement} -- {next(_TURNS)}").close()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":
            raise
        return False
    return True


def _astray(connection: sqlite3.Connection, names: tuple[str, ...]) -> Mapping[str, int]:
    marks = ", ".join("?" for _ in names)
    children = connection.execute(
        "SELECT DISTINCT m.name FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f"
        " WHERE m.type = 'table' AND m.sql NOT LIKE 'create virtual%'"
        f' AND (lower(f."table") IN ({marks}) OR lower(m.name) IN ({marks}))',
        [name.lower() for name in (*names, *names)],
    ).fetchall()
    own = {name.casefold() for name in names}
    return {
        "its own rows" if name.casefold() in own else name: _rows_astray(connection, name)
        for (name,) in children
    }


def _rows_astray(connection: sqlite3.Connection, table: str) -> int:
    try:
        found = connection.execute("SELECT count(*) FROM pragma_foreign_key_check(?)", (table,)).fetchone()[0]
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":
            raise
        return _MISMATCH
    return int(found)
