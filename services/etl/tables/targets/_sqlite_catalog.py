"""What an SQLite file says about a table, and our marks in it.

The file may be anybody's: names, texts and types are taken for what they say only after a look at them.
"""

import sqlite3
from collections.abc import Iterator
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.etl.tables.definition import Location
from services.etl.tables.dialects._sqlite_declaration import Declaration, DeclarationUnknown, folded
from services.etl.tables.dialects._sqlite_types import shown
from services.etl.tables.dialects.base import MARKS, key_name
from services.etl.tables.errors import TargetRefused
from services.etl.tables.physical import (
    FOREIGN,
    Mark,
    Marked,
    Physical,
    PhysicalColumn,
    PhysicalIndex,
    Place,
    Sight,
)
from shared.engines.sqlite import quote

_NOT_OUR_MARKS: Final = f"its table {MARKS} isn't one that Penstock made; rename or remove it there"
_LONGEST_COMMENTS: Final = 16 * 1024 * 1024
"""A thousand columns with comments of 2000 characters stay below it."""
_LONGEST_STATEMENT: Final = 1024 * 1024
_MOST_MARKS: Final = 100_000
_Comment = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Comments(BaseModel):
    """The comments that are kept with the mark, since SQLite knows none."""

    model_config = ConfigDict(strict=True)

    table: _Comment = ""
    columns: dict[str, _Comment] = {}


class _Noted(NamedTuple):
    name: str
    mark: Mark
    comments: Comments


_COMMENTS: Final = TypeAdapter(Comments)


def seen(connection: sqlite3.Connection, place: Place) -> Sight:
    """The table of this data table, under the name of its mark or else the first that is there."""
    noted = _noted(connection, place)
    mark = noted.mark if noted else None
    own, others = noted.name if noted else None, _names_of_others(connection, place)
    wanted = place.location.name
    for name in dict.fromkeys([*([own] if own else []), *place.names]):
        relation = _relation(connection, name)
        if relation is not None:
            kind, found = relation
            if kind == "table" and name.casefold() in others - {(own or "").casefold()}:
                kind = FOREIGN
            if kind != "table" and name != wanted:
                continue
            other = _relation(connection, wanted, besides=found)
            physical = Physical(kind)
            if kind == "table":
                physical = _physical(connection, found, noted.comments if noted else Comments())
            taken = other[0] if other else None
            return Sight(physical, mark, _names(connection, found), name=found, taken=taken)
    return Sight(None, mark, _names(connection, wanted))


def marked(connection: sqlite3.Connection) -> list[Marked]:
    """All rows of the marks that are ours in type and shape."""
    found = []
    for table_id, name, revision, fingerprint in _marks(
        connection, "table_id, table_name, revision, fingerprint"
    ):
        texts = isinstance(table_id, str) and isinstance(name, str) and isinstance(fingerprint, str)
        if not texts or not isinstance(revision, int):
            continue
        try:
            identity = UUID(table_id)
        except ValueError:
            continue
        relation = _relation(connection, name)
        exists = relation is not None and relation[0] == "table"
        found.append(Marked(identity, Location(None, name), revision, fingerprint, exists))
    return found


def _relation(connection: sqlite3.Connection, name: str, *, besides: str = "") -> tuple[str, str] | None:
    """The kind and spelling of what has the name, in any case of letters, but for a table and its indexes."""
    row = connection.execute(
        "SELECT type, name, lower(substr(sql, 1, 14)) FROM sqlite_master"
        " WHERE type IN ('table', 'view', 'index') AND name = ? COLLATE NOCASE"
        " AND tbl_name <> ? COLLATE NOCASE",
        (name, besides),
    ).fetchone()
    if row is None:
        return None
    kind, found, start = row
    return ("virtual table" if start == "create virtual" else kind), found


def _noted(connection: sqlite3.Connection, place: Place) -> _Noted | None:
    """What a publish has noted; a row that isn't one of ours in type and shape counts as none."""
    wanted = "table_name, revision, fingerprint, comments"
    row = next(_marks(connection, wanted, f"WHERE table_id = '{place.table_id}'"), None)
    if row is None:
        return None
    name, revision, fingerprint, text = row
    comments = _comments(text)
    texts = isinstance(name, str) and isinstance(fingerprint, str)
    if not texts or not isinstance(revision, int) or comments is None:
        return None
    return _Noted(name, Mark(place.table_id, revision, fingerprint), comments)


def _names_of_others(connection: sqlite3.Connection, place: Place) -> frozenset[str]:
    """The names of tables that are other data tables' by their marks."""
    rows = _marks(connection, "table_name", f"WHERE table_id <> '{place.table_id}'")
    return frozenset(name.casefold() for (name,) in rows if isinstance(name, str))


def _marks(connection: sqlite3.Connection, columns: str, condition: str = "") -> Iterator[tuple[Any, ...]]:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (MARKS,))
    if known.fetchone() is None:
        return
    try:
        rows = connection.execute(
            f"SELECT {columns} FROM {quote(MARKS)} {condition} LIMIT {_MOST_MARKS}"  # noqa: S608 - our own words and a UUID
        ).fetchall()
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR":
            raise
        raise TargetRefused(reason=_NOT_OUR_MARKS) from None
    yield from rows


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
    declared, declaration = _declared(connection, name)
    rows = connection.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid',
        (name,),
    ).fetchall()
    keyed = sorted((pk, column) for column, _, _, _, pk, _ in rows if pk)
    numbered = declaration is not None and declaration.numbers_rows
    row_number = len(keyed) == 1 and not _has_key_index(connection, name)
    columns = tuple(
        PhysicalColumn(
            name=column,
            type=shown(kind),
            nullable=not not_null and not (pk and row_number),
            default=default,
            extra="generated" if hidden else "identity" if pk and numbered else "",
            comment=comments.columns.get(column, ""),
        )
        for column, kind, not_null, default, pk, hidden in rows
    )
    return Physical(
        kind="table",
        columns=columns,
        primary_key=tuple(column for _, column in keyed),
        indexes=tuple(_indexes(connection, name, declaration)),
        comment=comments.table,
        declared=declared,
        beside=_beside(connection, name),
    )


def _declared(connection: sqlite3.Connection, table: str) -> tuple[str, Declaration | None]:
    """The statement that made the table, and its parts; empty for one that is too long to be ours."""
    row = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? AND length(sql) <= ?",
        (table, _LONGEST_STATEMENT),
    ).fetchone()
    if row is None:
        return "", None
    try:
        return row[0], Declaration.parse(row[0])
    except DeclarationUnknown:
        return row[0], None


def _beside(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = ? COLLATE NOCASE"
        " AND sql IS NOT NULL ORDER BY type, name",
        (table,),
    )
    return tuple(sql for (sql,) in rows)


def _has_key_index(connection: sqlite3.Connection, table: str) -> bool:
    """Whether the primary key has an index; where it has none, it is the number of the row and never NULL."""
    query = "SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'"
    return connection.execute(query, (table,)).fetchone() is not None


def _indexes(
    connection: sqlite3.Connection, table: str, declaration: Declaration | None
) -> Iterator[PhysicalIndex]:
    """A unique constraint has the name that was given to it: that of its index has the table's name in it."""
    given = {}
    for name, names in declaration.uniques() if declaration else ():
        given[tuple(folded(column) for column in names)] = name
    rows = connection.execute(
        "SELECT name, \"unique\", origin = 'u' FROM pragma_index_list(?)"
        " WHERE origin <> 'pk' AND NOT partial ORDER BY name",
        (table,),
    ).fetchall()
    for name, unique, constraint in rows:
        found = connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,)).fetchall()
        columns = tuple(column for (column,) in found)
        if None in columns:
            continue
        if constraint:
            named = given.get(tuple(folded(column) for column in columns))
            yield PhysicalIndex(
                named or key_name("unique", columns, "key"), columns, unique=True, constraint=True
            )
        else:
            yield PhysicalIndex(name, columns, bool(unique))
