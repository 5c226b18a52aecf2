"""Data tables in an SQLite file: read its schema, run a plan in one transaction, all in a thread."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from services.etl.tables.definition import Location
from services.etl.tables.dialects.base import MARKS
from services.etl.tables.dialects.sqlite import Sqlite
from services.etl.tables.errors import TargetBusy, TargetRefused
from services.etl.tables.physical import Mark, Physical, PhysicalColumn, PhysicalIndex, Sight
from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.engines import sqlite
from shared.errors import PenstockError

from .base import Decide

_REASONS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the file is read-only",
    "SQLITE_CONSTRAINT": "the rows that are there don't allow it",
}


class SqliteTarget:
    """The file of an SQLite resource below `root`."""

    def __init__(self, resource: ResourceConnection, root: Path | None) -> None:
        self._path = sqlite.path_of(root, resource)
        assert isinstance(resource.connection, SqliteConnection)
        self._create = resource.connection.create

    async def look(self, location: Location, table_id: UUID) -> Sight:
        """As `Target.look`. A file that is to be made with the first publish is an empty one."""
        return await asyncio.to_thread(self._look, location, table_id)

    async def apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        """As `Target.apply`."""
        return await asyncio.to_thread(self._apply, location, table_id, decide)

    def _look(self, location: Location, table_id: UUID) -> Sight:
        if self._create and not self._path.exists():
            return Sight(None, None)
        with closing(sqlite.connect(self._path)) as connection, _translated():
            connection.execute("BEGIN")
            return _seen(connection, location, table_id)

    def _apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        opened = sqlite.connect(self._path, read_only=False, create=self._create)
        with closing(opened) as connection, _translated():
            connection.execute("BEGIN IMMEDIATE")
            for statement in decide(_seen(connection, location, table_id)):
                connection.execute(statement)
            seen = _seen(connection, location, table_id)
            connection.execute("COMMIT")
            return seen


def _seen(connection: sqlite3.Connection, location: Location, table_id: UUID) -> Sight:
    mark = _mark(connection, location, table_id)
    found = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE name = ? COLLATE NOCASE", (location.name,)
    ).fetchone()
    if found is None:
        return Sight(None, mark and mark[0])
    kind, name = found
    if kind != "table":
        return Sight(Physical(kind), mark and mark[0])
    comments = mark[1] if mark else {}
    return Sight(_physical(connection, name, comments), mark and mark[0])


def _mark(
    connection: sqlite3.Connection, location: Location, table_id: UUID
) -> tuple[Mark, dict[str, Any]] | None:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (MARKS,))
    if known.fetchone() is None:
        return None
    row = connection.execute(
        f"SELECT revision, fingerprint, comments FROM {Sqlite().quote(MARKS)}"  # noqa: S608 - quoted identifiers and literals only
        " WHERE table_id = ? AND table_name = ?",
        (str(table_id), location.name),
    ).fetchone()
    if row is None:
        return None
    revision, fingerprint, comments = row
    return Mark(table_id, revision, fingerprint), json.loads(comments)


def _physical(connection: sqlite3.Connection, name: str, comments: dict[str, Any]) -> Physical:
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid',
        (name,),
    ).fetchall()
    of_columns = comments.get("columns", {})
    columns = tuple(
        PhysicalColumn(
            name=column,
            type=kind,
            nullable=not not_null,
            default=default,
            extra="generated" if hidden else "",
            comment=of_columns.get(column, ""),
        )
        for column, kind, not_null, default, _, hidden in rows
    )
    keyed = sorted((pk, column) for column, _, _, _, pk, _ in rows if pk)
    return Physical(
        kind="table",
        columns=columns,
        primary_key=tuple(column for _, column in keyed),
        indexes=tuple(_indexes(connection, name)),
        comment=comments.get("table", ""),
    )


def _indexes(connection: sqlite3.Connection, table: str) -> Iterator[PhysicalIndex]:
    rows = connection.execute(
        'SELECT name, "unique" FROM pragma_index_list(?) WHERE origin <> ? AND NOT partial ORDER BY name',
        (table, "pk"),
    ).fetchall()
    for name, unique in rows:
        columns = connection.execute(
            "SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,)
        ).fetchall()
        if all(column is not None for (column,) in columns):
            yield PhysicalIndex(name, tuple(column for (column,) in columns), bool(unique))


@contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors in our words; closing the connection rolls back."""
    try:
        yield
    except PenstockError:
        raise
    except sqlite3.Error as error:
        raise _refusal(error) from None


def _refusal(error: sqlite3.Error) -> PenstockError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return TargetBusy()
    for known, reason in _REASONS.items():
        if name.startswith(known):
            return TargetRefused(reason=reason)
    return TargetRefused(reason=f"the file's database says {name or 'no'}")
