"""The queries on SQLite's schema and what their rows mean; runs in a thread, knows no event loop."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from services.meta.scanners._model import (
    FieldInfo,
    IndexInfo,
    IndexPart,
    KeyInfo,
    TableInfo,
)
from services.meta.scanners._sqlite_ddl import after_as, index_parts, read_table

Row = Mapping[str, Any]
Volume = tuple[int | None, int | None, int | None]

SCHEMA: Final = "main"
"""SQLite's own name for the file that was opened; it is the one schema too."""

_LISTING: Final = """
SELECT m.name, m.type, CASE WHEN m.sql LIKE 'CREATE VIRTUAL TABLE %' THEN m.sql END AS virtual,
       EXISTS (SELECT 1 FROM json_each(?) p WHERE m.name GLOB p.value)
       AND NOT EXISTS (SELECT 1 FROM json_each(?) p WHERE m.name GLOB p.value) AS wanted
  FROM sqlite_master m WHERE m.type IN ('table', 'view') AND substr(m.name, 1, 7) <> 'sqlite_'
 ORDER BY m.type, m.name
"""
"""From sqlite_master: pragma_table_list would expand every view of the file."""
_OBJECTS: Final = """
SELECT m.name, m.type, m.sql,
       m.type = 'table' AND EXISTS (SELECT 1 FROM pragma_index_info(m.name)) AS without_rowid
  FROM json_each(?) w JOIN sqlite_master m ON m.name = w.value AND m.type IN ('table', 'view') ORDER BY m.name
"""
"""A table's own name stands for its primary key in index_info only without rowids (SQLite, 3.30)."""
_VIEWS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'view'"
_SHADOWS: Final[Mapping[str, frozenset[str]]] = {
    "fts3": frozenset({"content", "segdir", "segments", "stat", "docsize"}),
    "fts4": frozenset({"content", "segdir", "segments", "stat", "docsize"}),
    "fts5": frozenset({"config", "content", "data", "docsize", "idx"}),
    "rtree": frozenset({"node", "parent", "rowid"}),
    "rtree_i32": frozenset({"node", "parent", "rowid"}),
    "geopoly": frozenset({"node", "parent", "rowid"}),
}
"""The tables that a virtual table keeps its content in: module and what follows the last underscore."""
_FIELDS: Final = """
SELECT m.name AS "table", f.cid, f.name, f.type, f."notnull", f.dflt_value, f.pk, f.hidden
  FROM json_each(?) w JOIN sqlite_master m ON m.name = w.value AND m.type IN ('table', 'view')
  JOIN pragma_table_xinfo(m.name) f WHERE f.hidden <> 1 ORDER BY m.name, f.cid
"""
_INDEXES: Final = """
SELECT m.name AS "table", i.name, i."unique", i.origin, x.cid, x.name AS "column", x."desc", s.sql
  FROM json_each(?) w JOIN sqlite_master m ON m.name = w.value AND m.type = 'table'
  JOIN pragma_index_list(m.name) i JOIN pragma_index_xinfo(i.name) x
  LEFT JOIN sqlite_master s ON s.type = 'index' AND s.name = i.name
 WHERE x."key" ORDER BY m.name, i.name, x.seqno
"""
_FOREIGN_KEYS: Final = """
SELECT m.name AS "table", k.id, k."table" AS target, k."from", k."to", k.on_update, k.on_delete
  FROM json_each(?) w JOIN sqlite_master m ON m.name = w.value AND m.type = 'table'
  JOIN pragma_foreign_key_list(m.name) k ORDER BY m.name, k.id, k.seq
"""
_PRIMARY_KEYS: Final = """
SELECT m.name AS "table", f.name, f.pk FROM json_each(?) w
  JOIN sqlite_master m ON m.name = w.value COLLATE NOCASE AND m.type = 'table'
  JOIN pragma_table_info(m.name) f WHERE f.pk > 0 ORDER BY m.name, f.pk
"""
_PAGES: Final = """
SELECT coalesce(m.tbl_name, d.name) AS "table", coalesce(m.type = 'index', 0) AS is_index,
       sum(d.pgsize) AS bytes
  FROM dbstat d LEFT JOIN sqlite_master m ON m.name = d.name GROUP BY 1, 2
"""
_GENERATED: Final = {2: "generated always virtual", 3: "generated always stored"}
_EXPRESSION: Final = -2
"""PRAGMA index_xinfo's cid for an expression; -1 is the rowid."""


def names(
    connection: sqlite3.Connection, include: Sequence[str] = ("*",), exclude: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """Tables and views that the GLOB patterns let through, without the shadows of virtual tables."""
    globs = [orjson.dumps(list(each)).decode() for each in (include, exclude)]
    rows = connection.execute(_LISTING, globs).fetchall()
    modules = {row["name"].lower(): read_table(row["virtual"]).module or "" for row in rows if row["virtual"]}
    found: dict[str, list[str]] = {"table": [], "view": []}
    for row in rows:
        owner, _, ending = row["name"].lower().rpartition("_")
        is_shadow = ending in _SHADOWS.get(modules.get(owner, "").lower(), ())
        if row["wanted"] and not (is_shadow and row["type"] == "table"):
            found[row["type"]].append(row["name"])
    return found["table"], found["view"]


def view_texts(connection: sqlite3.Connection) -> dict[str, str]:
    """The statement behind each view."""
    return {row["name"]: row["sql"] or "" for row in connection.execute(_VIEWS)}


def read_tables(connection: sqlite3.Connection, names: str, volumes: Mapping[str, Volume]) -> list[TableInfo]:
    """The named tables and views (`names` is a JSON array). Raises sqlite3.Error when one can't be read."""
    objects = connection.execute(_OBJECTS, [names]).fetchall()
    fields = _grouped(connection.execute(_FIELDS, [names]))
    indexes = _grouped(connection.execute(_INDEXES, [names]))
    foreign = _grouped(connection.execute(_FOREIGN_KEYS, [names]))
    targets = _target_keys(connection, foreign)
    return [
        _table(
            row,
            fields=fields[row["name"]],
            keys=_foreign_keys(foreign[row["name"]], targets),
            indexes=indexes[row["name"]],
            volume=volumes.get(row["name"], (None, None, None)),
        )
        for row in objects
    ]


def page_sizes(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """Bytes of data and of indexes by table. Reads every page: only for files of a bounded size."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in connection.execute(_PAGES):
        data, index = found[row["table"]]
        size = row["bytes"]
        found[row["table"]] = (data, index + size) if row["is_index"] else (data + size, index)
    return dict(found)


def _table(
    row: Row, *, fields: Sequence[Row], keys: Sequence[KeyInfo], indexes: Sequence[Row], volume: Volume
) -> TableInfo:
    is_view = row["type"] == "view"
    text = read_table(None if is_view else row["sql"])
    primary = tuple(each["name"] for each in sorted(fields, key=_key_place) if each["pk"])
    row_count, data_size, index_size = volume
    return TableInfo(
        schema=SCHEMA,
        name=row["name"],
        type="view" if is_view else "table",
        fields=tuple(
            _field(each, position, row=row, alone=len(primary) == 1, autoincrement=text.autoincrement)
            for position, each in enumerate(fields, start=1)
        ),
        keys=(*_own_keys(primary, indexes), *keys),
        indexes=_indexes(indexes),
        constraints=text.checks,
        engine=None if is_view else text.module or ("without rowid" if row["without_rowid"] else "rowid"),
        definition=after_as(row["sql"]) if is_view else None,
        row_count=row_count,
        data_size_bytes=data_size,
        index_size_bytes=index_size,
    ).with_column_keys()


def _key_place(field: Row) -> int:
    place: int = field["pk"]
    return place


def _field(field: Row, position: int, *, row: Row, alone: bool, autoincrement: bool) -> FieldInfo:
    is_rowid = bool(field["pk"] and alone and field["type"].upper() == "INTEGER" and not row["without_rowid"])
    filled = field["notnull"] or is_rowid or (field["pk"] and row["without_rowid"])
    extra = _GENERATED.get(field["hidden"])
    if is_rowid:
        extra = "autoincrement" if autoincrement else "rowid"
    return FieldInfo(
        name=field["name"],
        position=position,
        number=field["cid"],
        data_type=field["type"].partition("(")[0].strip(),
        column_type=field["type"],
        is_nullable=not filled,
        column_default=field["dflt_value"],
        extra=extra,
    )


def _own_keys(primary: tuple[str, ...], indexes: Sequence[Row]) -> list[KeyInfo]:
    keys = [KeyInfo(None, "primary", primary)] if primary else []
    unique: dict[str, list[str]] = defaultdict(list)
    for part in indexes:
        if part["origin"] == "u":
            unique[part["name"]].append(part["column"])
    return [*keys, *(KeyInfo(None, "unique", tuple(columns)) for columns in unique.values())]


def _foreign_keys(rows: Sequence[Row], targets: Mapping[str, Sequence[str]]) -> list[KeyInfo]:
    keys: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        keys[row["id"]].append(row)
    found = []
    for parts in keys.values():
        first = parts[0]
        named = [each["to"] for each in parts]
        found.append(
            KeyInfo(
                name=None,
                kind="foreign",
                columns=tuple(each["from"] for each in parts),
                referenced_schema=SCHEMA,
                referenced_table=first["target"],
                referenced_columns=tuple(
                    targets.get(first["target"].lower(), ()) if None in named else named
                ),
                on_update=first["on_update"].lower(),
                on_delete=first["on_delete"].lower(),
            )
        )
    return found


def _target_keys(
    connection: sqlite3.Connection, foreign: Mapping[str, Sequence[Row]]
) -> dict[str, list[str]]:
    """Primary keys of the tables that foreign keys refer to without naming columns, by lower case name."""
    wanted = {row["target"] for rows in foreign.values() for row in rows if row["to"] is None}
    found: dict[str, list[str]] = defaultdict(list)
    for row in connection.execute(_PRIMARY_KEYS, [orjson.dumps(sorted(wanted)).decode()]) if wanted else ():
        found[row["table"].lower()].append(row["name"])
    return found


def _indexes(rows: Sequence[Row]) -> tuple[IndexInfo, ...]:
    grouped: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["name"]].append(row)
    return tuple(_index(name, parts) for name, parts in grouped.items())


def _index(name: str, rows: Sequence[Row]) -> IndexInfo:
    texts, predicate = index_parts(rows[0]["sql"])
    parts = []
    for place, row in enumerate(rows):
        expression = texts[place] if row["cid"] == _EXPRESSION and place < len(texts) else None
        parts.append(IndexPart(row["column"], expression, is_descending=bool(row["desc"])))
    return IndexInfo(
        name=name,
        method="btree",
        is_unique=bool(rows[0]["unique"]),
        is_primary=rows[0]["origin"] == "pk",
        parts=tuple(parts),
        predicate=predicate,
    )


def _grouped(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["table"]].append(row)
    return found
