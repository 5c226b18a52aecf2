"""SQLite beside the product."""

import datetime as dt
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from typing import Any, Final

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from shared.contracts.connection import SqliteConnection

from .changing import Row
from .databases import Database, Resource, quoted
from .values import Json, read, spelled

_STORED: Final = {
    "boolean": int,
    "int16": int,
    "int32": int,
    "int64": int,
    "float32": float,
    "float64": float,
}


class SqliteDatabase(Database):
    """A file of its own."""

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource, None)
        assert isinstance(resource.connection, SqliteConnection)
        self.file = resource.root / resource.folder / resource.connection.file

    async def execute(self, sql: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(sql)

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(sql).fetchall()

    async def insert(self, location: Location, definition: TableDefinition, rows: Iterable[Row]) -> None:
        """Write rows; by parameters, since SQLite 3.40 misreads the last digit of some floats in SQL."""
        listed = self.dialect.listed(column.name for column in definition.columns)
        holes = ", ".join("?" for _ in definition.columns)
        bound = [[_bound(column, row[column.id]) for column in definition.columns] for row in rows]
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executemany(
                f"INSERT INTO {self.dialect.at(location)} ({listed}) VALUES ({holes})",
                bound,
            )

    async def picture(self) -> object:
        """The file, byte for byte."""
        return self.file.read_bytes()

    def literal(self, column: ColumnDefinition, value: Any) -> str:
        match value:
            case None:
                return "NULL"
            case bytes():
                return f"X'{value.hex()}'"
            case bool() | int() | float():
                return repr(+value)
        return quoted(_kept(column.type, value))

    def read(self, column: ColumnDefinition, found: Any) -> Any:
        return self.value(column.type, found)

    def value(self, kind: ColumnType, found: Any) -> Any:
        """The value; it must be stored in the class and the spelling that sorts and compares as it does."""
        if kind.kind in _STORED:
            assert type(found) is _STORED[kind.kind]
            return bool(found) if kind.kind == "boolean" else found
        if kind.kind == "bytes":
            assert type(found) is bytes
            return found
        assert type(found) is str
        value = read(kind, found)
        assert kind.kind == "json" or _kept(kind, value) == found
        return value


def _bound(column: ColumnDefinition, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, bytes | int | float):
        return value
    return _kept(column.type, value)


def _kept(kind: ColumnType, value: Any) -> str:
    match value:
        case dt.datetime():
            zone = "Z" if value.tzinfo else ""
            return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds") + zone
        case dt.time():
            return value.isoformat(timespec="microseconds")
        case Decimal() | Json():
            return spelled(kind, value)
    return str(value)
