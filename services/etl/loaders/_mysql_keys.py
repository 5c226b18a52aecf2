"""Unique indexes of MySQL and MariaDB, and the values of their columns."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from services.etl.loaders._database_keys import KeyColumn, KeySql, UniqueKey, Values
from services.etl.loaders._database_sql import FoundColumn, MysqlSql, SourceSql

_NUMBERS: Final = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit")
_TIMES: Final = frozenset({"date", "datetime", "timestamp", "time"})
_UNFIT: Final = frozenset({"float", "double", "enum", "set", "json", "geometry"})
"""ENUM and SET are ordered by their position and compare with a text by their name."""


class MysqlKeys(KeySql):
    """Values are the bytes in which the server sends them.

    A comparison of rows doesn't use an index there (manual, "Range Optimization of Row Constructor
    Expressions"), so it is spelled out.
    """

    sql: ClassVar[SourceSql] = MysqlSql()

    def selected(self, column: KeyColumn) -> str:
        name = self.name(column)
        return f"CAST({name} AS UNSIGNED)" if column.spelled == "bit" else name

    def spelled(self, value: Any, column: KeyColumn) -> str:
        if column.spelled.startswith(_NUMBERS):
            return str(value.decode("ascii"))
        if column.spelled in _TIMES:
            return f"'{value.decode('ascii')}'"
        return f"{'' if column.spelled == 'binary' else '_utf8mb4 '}x'{value.hex()}'" if value else "''"

    def unfit(self, column: KeyColumn) -> bool:
        return column.spelled in _UNFIT

    def hint(self, key: UniqueKey) -> str:
        return f" FORCE INDEX ({self.sql.quote(key.index)})"

    def _compared(self, key: UniqueKey, values: Values, operator: str) -> str:
        spelled = [
            (self.name(column), self.spelled(value, column))
            for value, column in zip(values, key.columns, strict=True)
        ]
        name, value = spelled.pop()
        compared = f"{name} {operator} {value}"
        for name, value in reversed(spelled):
            compared = f"({name} {operator[0]} {value} OR ({name} = {value} AND {compared}))"
        return compared


def keys_of(rows: Iterable[Any], found: Mapping[str, FoundColumn]) -> list[UniqueKey]:
    """The answer to SHOW INDEX: those whose order is that of ORDER BY.

    Not an index over the beginnings of texts, over expressions, or over columns in several directions.
    """
    parts = dict[str, list[Any]]()
    for row in rows:
        parts.setdefault(row[2], []).append(row)
    keys = []
    for index, columns in parts.items():
        fits = all(
            not row[1] and row[4] in found and row[7] is None and row[10] == "BTREE" for row in columns
        )
        if fits and len({row[5] for row in columns}) == 1:
            made = tuple(_column(found[row[4]]) for row in sorted(columns, key=lambda row: int(row[3])))
            keys.append(UniqueKey(index, made, index == "PRIMARY"))
    return keys


def _column(found: FoundColumn) -> KeyColumn:
    return KeyColumn(found.name, found.spelled, found.nullable)
