"""What MySQL's and MariaDB's catalogs say of one table, in the words of our dialect."""

import re
from typing import Any, Final

from services.etl.tables.physical import Physical, PhysicalColumn, PhysicalIndex

EXACT_COLLATIONS: Final = frozenset({"utf8mb4_0900_bin", "utf8mb4_nopad_bin"})
"""Those of our tables: code points decide, and trailing blanks count."""

_RELATION: Final = """
SELECT table_name, table_type, engine, table_comment FROM information_schema.tables
 WHERE table_schema = %s AND table_name = %s
"""
_COLUMNS: Final = """
SELECT column_name, column_type, is_nullable, column_default, extra, collation_name, column_comment
  FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
_INDEXES: Final = """
SELECT index_name, non_unique, column_name, sub_part FROM information_schema.statistics
 WHERE table_schema = %s AND table_name = %s ORDER BY index_name, seq_in_index
"""
_JSON_CHECKS: Final = """
SELECT constraint_name, check_clause FROM information_schema.check_constraints
 WHERE constraint_schema = %s AND table_name = %s AND level = 'Column'
"""
"""MariaDB's JSON is a text with this check (MariaDB, "JSON Data Type")."""

_DISPLAY_WIDTH: Final = re.compile(r"^(smallint|mediumint|int|bigint)\(\d+\)")
_NO_DEFAULT: Final = "NULL"
"""MariaDB's word for a nullable column without a default; the text NULL stands in quotes there."""

_HARMLESS: Final = "default_generated"


async def relation(cursor: Any, schema: str, name: str, *, is_mariadb: bool) -> Physical | None:
    """The relation of this name, spelled exactly so unless the server folds names; None without one."""
    await cursor.execute(_RELATION, (schema, name))
    rows = await cursor.fetchall()
    found = next((row for row in rows if row[0] == name), rows[0] if rows else None)
    if found is None:
        return None
    name, kind, engine, comment = found
    if kind != "BASE TABLE" or engine != "InnoDB":
        return Physical(kind.lower() if kind != "BASE TABLE" else f"table of {engine or 'a broken engine'}")
    await cursor.execute(_COLUMNS, (schema, name))
    columns = await cursor.fetchall()
    json = await _json_columns(cursor, schema, name) if is_mariadb else frozenset[str]()
    await cursor.execute(_INDEXES, (schema, name))
    indexes = _indexes(await cursor.fetchall())
    return Physical(
        kind="table",
        columns=tuple(_column(row, is_json=row[0] in json, is_mariadb=is_mariadb) for row in columns),
        primary_key=next((index.columns for index in indexes if index.name == "PRIMARY"), ()),
        indexes=tuple(index for index in indexes if index.name != "PRIMARY"),
        comment=comment,
    )


async def _json_columns(cursor: Any, schema: str, name: str) -> frozenset[str]:
    await cursor.execute(_JSON_CHECKS, (schema, name))
    return frozenset(
        column
        for column, clause in await cursor.fetchall()
        if clause == f"json_valid(`{column.replace('`', '``')}`)"
    )


def _column(row: Any, *, is_json: bool, is_mariadb: bool) -> PhysicalColumn:
    name, kind, nullable, default, extra, collation, comment = row
    is_json = is_json and kind == "longtext"
    if is_mariadb and default == _NO_DEFAULT:
        default = None
    return PhysicalColumn(
        name=name,
        type="json" if is_json else _DISPLAY_WIDTH.sub(r"\1", kind),
        nullable=nullable == "YES",
        default=default,
        extra=_extra(extra.lower(), None if is_json else collation),
        comment=comment,
    )


def _extra(extra: str, collation: str | None) -> str:
    parts = [extra.replace(_HARMLESS, "").strip()]
    if "generated" in parts[0]:
        parts = ["generated"]
    elif "auto_increment" in parts[0]:
        parts = ["identity"]
    if collation is not None and collation not in EXACT_COLLATIONS:
        parts.append(f"in {collation}")
    return " ".join(part for part in parts if part)


def _indexes(rows: Any) -> list[PhysicalIndex]:
    """Indexes over whole columns; those over expressions or beginnings of values are left out."""
    columns: dict[str, list[str]] = {}
    partial: set[str] = set()
    unique: dict[str, bool] = {}
    for index, non_unique, column, sub_part in rows:
        if column is None or sub_part is not None:
            partial.add(index)
        columns.setdefault(index, []).append(column)
        unique[index] = not int(non_unique)
    return [
        PhysicalIndex(index, tuple(names), unique[index])
        for index, names in columns.items()
        if index not in partial
    ]
