"""Unique indexes of SQLite, and the values of their columns."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from services.etl.loaders._database_keys import KeyColumn, KeySql, UniqueKey
from services.etl.loaders._database_sql import SourceSql, SqliteSql

_PRIMARY: Final = """SELECT name, type, "notnull" FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk"""
_INDEXES: Final = """SELECT name, origin = 'pk' FROM pragma_index_list(?) WHERE "unique" AND NOT partial"""
_COLUMNS: Final = """
    SELECT i.name, c.type, c."notnull", i.coll, i."desc"
    FROM pragma_index_xinfo(?) AS i LEFT JOIN pragma_table_xinfo(?) AS c ON c.cid = i.cid
    WHERE i.key ORDER BY i.seqno"""


class Undecodable(bytes):
    """A text that isn't UTF-8."""


class SqliteKeys(KeySql):
    """Values are parameters, of whatever type they are.

    The collation of the index is always named: what is unique by one may be equal by that of the column.
    """

    sql: ClassVar[SourceSql] = SqliteSql()

    def selected(self, column: KeyColumn) -> str:
        return self.sql.quote(column.name)

    def spelled(self, value: Any, _column: KeyColumn) -> str:
        return "CAST(? AS TEXT)" if isinstance(value, Undecodable) else "?"

    def name(self, column: KeyColumn) -> str:
        name = self.sql.quote(column.name)
        return f"{name} COLLATE {self.sql.quote(column.collation)}" if column.collation else name


def keys_of(fetch: Callable[[str, Sequence[Any]], list[Any]], table: str) -> list[UniqueKey]:
    """The keys of a table. An INTEGER PRIMARY KEY has no index of its own: it is the number of the row."""
    keys, has_index = [], False
    for index, is_primary in fetch(_INDEXES, (table,)):
        has_index = has_index or bool(is_primary)
        columns = fetch(_COLUMNS, (index, table))
        if all(row[0] is not None for row in columns) and len({row[4] for row in columns}) == 1:
            made = tuple(KeyColumn(name, kind, not needed, coll) for name, kind, needed, coll, _ in columns)
            keys.append(UniqueKey(index, made, bool(is_primary)))
    primary = fetch(_PRIMARY, (table,))
    if len(primary) == 1 and not has_index:
        keys.append(UniqueKey("", (KeyColumn(primary[0][0], primary[0][1]),), is_primary=True))
    return keys
