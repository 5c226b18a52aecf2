"""How large a table of an SQLite file is, found out in a bounded time."""

import sqlite3
import time
from typing import Final

from services.etl.tables.physical import Size
from shared.engines.sqlite import quote

_SECONDS: Final = 2.0
_CHECK_EVERY: Final = 1000
"""Instructions of SQLite's virtual machine between two looks at the clock."""


def size_of(connection: sqlite3.Connection, table: str) -> Size:
    """Its rows, counted if that is quick, and its bytes with its indexes, or else those of the file.

    Takes the connection's progress handler.
    """
    named = quote(table)
    rows = _number(connection, f"SELECT count(*) FROM {named}")  # noqa: S608 - a quoted name
    exact = rows is not None
    if rows is None:
        # Numbers of rows go up to 2^63, whoever sets them.
        rows = _number(connection, f"SELECT max(_rowid_) FROM {named}") or 0  # noqa: S608 - a quoted name
    used = _number(
        connection,
        "SELECT sum(pgsize) FROM dbstat WHERE name IN"
        " (SELECT name FROM sqlite_master WHERE tbl_name = ? AND type IN ('table', 'index'))",
        table,
    )
    if used is None:
        used = _number(connection, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    return Size(max(rows, 0), used or 0, exact)


def _number(connection: sqlite3.Connection, query: str, *values: str) -> int | None:
    """One number, or None if it takes too long, or isn't there in this build of SQLite or this file."""
    deadline = time.monotonic() + _SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_EVERY)
    try:
        found = connection.execute(query, values).fetchone()[0]
    except sqlite3.Error:
        return None
    return found if isinstance(found, int) else None
