"""What MySQL's and MariaDB's catalogs say of one table, in the words of our dialect."""

import re
from typing import Any, Final

from services.etl.tables.dialects import Sql
from services.etl.tables.physical import Physical, PhysicalColumn, PhysicalIndex, Size, Use

from . import _mysql_uses as uses

EXACT_COLLATIONS: Final = frozenset({"utf8mb4_0900_bin", "utf8mb4_nopad_bin"})
"""Those of our tables: code points decide, and trailing blanks count."""

Found = tuple[str, str, str | None, str]
_RELATION: Final = """
SELECT table_name, table_type, engine, table_comment FROM information_schema.tables
 WHERE table_schema = %s AND table_name = %s
"""
_COLUMNS: Final = """
SELECT column_name, column_type, is_nullable, column_default, extra, collation_name, column_comment
  FROM information_schema.columns WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
_INDEXES: Final = """
SELECT index_name, non_unique, column_name, sub_part, index_type FROM information_schema.statistics
 WHERE table_schema = %s AND table_name = %s
"""
"""In the server's own order: the first unique one may be that by which the rows are kept."""
_SIZE: Final = """
SELECT COALESCE(table_rows, 0), COALESCE(data_length, 0) + COALESCE(index_length, 0)
  FROM information_schema.tables WHERE table_schema = %s AND table_name = %s
"""

_DISPLAY_WIDTH: Final = re.compile(
    r"^(?:(?P<tiny>tinyint)\((?!1\)$)\d+\)|(?P<int>smallint|mediumint|int|bigint)\(\d+\)|(?P<year>year)\(4\))"
    r"(?!.* zerofill)"
)
_NO_DEFAULT: Final = "NULL"
"""MariaDB's word for a nullable column without a default; the text NULL stands in quotes there."""

_HARMLESS: Final = "default_generated"
_NUMBERS: Final = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit")
_TIMES: Final = ("datetime", "timestamp")
_CHARSET: Final = re.compile(r"_[a-z0-9]+'")
_COUNTED_ROWS: Final = 10_000


async def relation(cursor: Any, schema: str, name: str, *, is_mariadb: bool) -> Physical | None:
    """The relation of this name, spelled exactly so unless the server folds names; None without one."""
    row = await found(cursor, schema, name)
    if row is None:
        return None
    name, relation_kind, engine, comment = row
    if (other := _other(relation_kind, engine)) is not None:
        return Physical(other)
    await cursor.execute(_COLUMNS, (schema, name))
    columns = await cursor.fetchall()
    table, names = (schema, name), [row[0] for row in columns]
    checks, others = await uses.checks(cursor, table, names) if is_mariadb else ({}, [])
    await cursor.execute(_INDEXES, table)
    indexes, strange = _indexes(await cursor.fetchall())
    return Physical(
        kind="table",
        columns=tuple(_column(row, checks.get(row[0], ""), is_mariadb=is_mariadb) for row in columns),
        primary_key=next((index.columns for index in indexes if index.name == "PRIMARY"), ()),
        indexes=tuple(index for index in indexes if index.name != "PRIMARY"),
        comment=comment,
        uses=(*strange, *others, *await uses.uses(cursor, table, names)),
        options=tuple(await uses.options(cursor, table)),
    )


def kind(row: Found) -> str:
    """What a relation is."""
    return _other(row[1], row[2]) or "table"


async def size(cursor: Any, schema: str, name: str, table: Sql) -> Size:
    """How large a table is: counted when it is small, else as the server estimates it."""
    some = f"SELECT 1 FROM {table} LIMIT {_COUNTED_ROWS + 1}"  # noqa: S608 - a quoted name
    await cursor.execute(f"SELECT COUNT(*) FROM ({some}) AS counted")  # noqa: S608 - as above
    ((counted,),) = await cursor.fetchall()
    await cursor.execute(_SIZE, (schema, name))
    ((rows, taken),) = await cursor.fetchall() or ((0, 0),)
    if counted <= _COUNTED_ROWS:
        return Size(counted, int(taken), exact=True)
    return Size(max(int(rows), counted), int(taken), exact=False)


async def found(cursor: Any, schema: str, name: str) -> Found | None:
    """Name, type, engine and comment of the relation of this name, spelled exactly so unless it is folded."""
    await cursor.execute(_RELATION, (schema, name))
    rows = await cursor.fetchall()
    return next((row for row in rows if row[0] == name), rows[0] if rows else None)


def _other(kind: str, engine: str | None) -> str | None:
    """What a relation is that is no table of ours; None for one that may be."""
    if kind == "BASE TABLE" and engine == "InnoDB":
        return None
    return kind.lower() if kind != "BASE TABLE" else f"table of {engine or 'a broken engine'}"


def _column(row: Any, check: str, *, is_mariadb: bool) -> PhysicalColumn:
    """MariaDB's JSON is a text with a check (MariaDB, "JSON Data Type")."""
    name, kind, nullable, default, extra, collation, comment = row
    is_json = kind == "longtext" and check == f"json_valid(`{name.replace('`', '``')}`)"
    if is_mariadb:
        default = None if default == _NO_DEFAULT else default
    elif default is not None:
        default = _spelled(default, kind, is_expression=_HARMLESS in extra.lower())
    return PhysicalColumn(
        name=name,
        type="json" if is_json else _DISPLAY_WIDTH.sub(_bare, kind),
        nullable=nullable == "YES",
        default=default,
        extra=_extra(extra.lower(), None if is_json else collation),
        comment=comment,
        check="" if is_json else check,
    )


def _bare(width: re.Match[str]) -> str:
    return width["tiny"] or width["int"] or width["year"]


def _spelled(default: str, kind: str, *, is_expression: bool) -> str:
    """MySQL's default as MariaDB spells it: texts in quotes, as they stand in a statement.

    MySQL shows a literal bare, and an expression with the character set before its texts and all quotes
    escaped once more.
    """
    if is_expression:
        return _CHARSET.sub("'", default.replace("\\'", "'").replace("\\\\", "\\"))
    is_now = kind.startswith(_TIMES) and default.lower().startswith("current_timestamp")
    if is_now or kind.startswith(_NUMBERS):
        return default
    return "'" + default.replace("\\", "\\\\").replace("'", "''") + "'"


def _extra(extra: str, collation: str | None) -> str:
    parts = [extra.replace(_HARMLESS, "").replace(",", "").strip()]
    invisible = ["invisible"] if "invisible" in parts[0] else []
    if "generated" in parts[0]:
        parts = ["generated", *invisible]
    elif "auto_increment" in parts[0]:
        parts = ["identity", *invisible]
    if collation is not None and collation not in EXACT_COLLATIONS:
        parts.append(f"in {collation}")
    return " ".join(part for part in parts if part)


def _indexes(rows: Any) -> tuple[list[PhysicalIndex], list[Use]]:
    """Indexes over whole columns, and those over expressions, words, or beginnings of values."""
    columns: dict[str, list[str]] = {}
    partial: set[str] = set()
    unique: dict[str, bool] = {}
    for index, non_unique, column, sub_part, kind in rows:
        if column is None or sub_part is not None or kind != "BTREE":
            partial.add(index)
        columns.setdefault(index, []).append(column)
        unique[index] = not int(non_unique)
    plain = [
        PhysicalIndex(index, tuple(names), unique[index])
        for index, names in columns.items()
        if index not in partial
    ]
    strange = [
        Use(f"the index {index}", tuple(name for name in names if name is not None))
        for index, names in columns.items()
        if index in partial
    ]
    return plain, strange
