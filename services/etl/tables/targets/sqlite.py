"""Data tables in an SQLite file: read its schema, run a plan in one transaction, all in a thread."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

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
    "SQLITE_INTERRUPT": "it took more than a minute; make the table or the file smaller, or do it by hand",
    "SQLITE_TOOBIG": "the file has a value that is too long to be read; remove it there",
    "SQLITE_NOMEM": "the file has a value that is too long to be read; remove it there",
    "SQLITE_CORRUPT": "the file is damaged; restore it from a backup",
    "SQLITE_NOTADB": "the file is damaged; restore it from a backup",
    "SQLITE_IOERR": "the file can't be read or written; look at its disk",
}
_UNKNOWN: Final = (
    "its database failed ({name}); see with PRAGMA integrity_check in the sqlite3 shell whether the file and"
    " every view and virtual table in it is in order"
)
_NOT_OUR_MARKS: Final = f"its table {MARKS} isn't one that Penstock made; rename or remove it there"
_LONGEST_VALUE: Final = 64 * 1024 * 1024
_LONGEST_COMMENTS: Final = 16 * 1024 * 1024
"""A thousand columns with comments of 2000 characters stay below it."""
_SECONDS: Final = 60.0
_Comment = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Comments(BaseModel):
    """The comments that are kept with the mark, since SQLite knows none."""

    model_config = ConfigDict(strict=True)

    table: _Comment = ""
    columns: dict[str, _Comment] = {}


_COMMENTS: Final = TypeAdapter(Comments)


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
        with closing(self._opened(read_only=True)) as connection, _translated():
            connection.execute("BEGIN")
            return _seen(connection, location, table_id)

    def _apply(self, location: Location, table_id: UUID, decide: Decide) -> Sight:
        with closing(self._opened(read_only=False)) as connection, _translated():
            connection.execute("BEGIN IMMEDIATE")
            for statement in decide(_seen(connection, location, table_id)):
                connection.execute(statement)
            seen = _seen(connection, location, table_id)
            connection.execute("COMMIT")
            return seen

    def _opened(self, *, read_only: bool) -> sqlite3.Connection:
        """A connection on which a hostile file costs bounded memory and time."""
        connection = sqlite.connect(
            self._path, read_only=read_only, create=self._create, max_bytes=_LONGEST_VALUE
        )
        connection.text_factory = _text
        sqlite.limit_time(connection, _SECONDS)
        return connection


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")


def _seen(connection: sqlite3.Connection, location: Location, table_id: UUID) -> Sight:
    mark = _mark(connection, location, table_id)
    found = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE name = ? COLLATE NOCASE", (location.name,)
    ).fetchone()
    if found is None:
        return Sight(None, mark and mark[0], _names(connection, location.name))
    kind, name = found
    if kind != "table":
        return Sight(Physical(kind), mark and mark[0])
    comments = mark[1] if mark else Comments()
    return Sight(_physical(connection, name, comments), mark and mark[0])


def _mark(connection: sqlite3.Connection, location: Location, table_id: UUID) -> tuple[Mark, Comments] | None:
    """What a publish has noted; a row that isn't one of ours in type and shape counts as none."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (MARKS,))
    if known.fetchone() is None:
        return None
    try:
        row = connection.execute(
            f"SELECT revision, fingerprint, comments FROM {Sqlite().quote(MARKS)}"  # noqa: S608 - quoted identifiers and literals only
            " WHERE table_id = ? AND table_name = ?",
            (str(table_id), location.name),
        ).fetchone()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":
            raise
        raise TargetRefused(reason=_NOT_OUR_MARKS) from None
    if row is None:
        return None
    revision, fingerprint, text = row
    comments = _comments(text)
    if not isinstance(revision, int) or not isinstance(fingerprint, str) or comments is None:
        return None
    return Mark(table_id, revision, fingerprint), comments


def _comments(text: object) -> Comments | None:
    if not isinstance(text, str) or len(text) > _LONGEST_COMMENTS:
        return None
    try:
        return _COMMENTS.validate_json(text)
    except ValidationError:
        return None


def _names(connection: sqlite3.Connection, table: str) -> frozenset[str]:
    """What the table's keys and indexes can't be called: the names of others, in lower case."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view', 'index')"
        " AND tbl_name <> ? COLLATE NOCASE",
        (table,),
    )
    return frozenset(name.lower() for (name,) in rows)


def _physical(connection: sqlite3.Connection, name: str, comments: Comments) -> Physical:
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid',
        (name,),
    ).fetchall()
    columns = tuple(
        PhysicalColumn(
            name=column,
            type=kind,
            nullable=not not_null,
            default=default,
            extra="generated" if hidden else "",
            comment=comments.columns.get(column, ""),
        )
        for column, kind, not_null, default, _, hidden in rows
    )
    keyed = sorted((pk, column) for column, _, _, _, pk, _ in rows if pk)
    return Physical(
        kind="table",
        columns=columns,
        primary_key=tuple(column for _, column in keyed),
        indexes=tuple(_indexes(connection, name)),
        comment=comments.table,
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
    return TargetRefused(reason=_UNKNOWN.format(name=name or "without a code"))
