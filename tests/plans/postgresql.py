"""PostgreSQL beside the product."""

import struct
from typing import Any, Final

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition

from .databases import Database, Resource, quoted
from .values import read, spelled

_RELATIONS: Final = """
SELECT relname, oid, relfilenode, xmin FROM pg_class WHERE relnamespace = $1::regnamespace
"""
_COLUMNS: Final = """
SELECT attrelid, attnum, xmin FROM pg_attribute
 WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace)
"""


class PostgresqlDatabase(Database):
    """A schema of its own; `connection` is one that all pairs share."""

    def __init__(self, resource: Resource, schema: str, connection: Any) -> None:
        super().__init__(resource, schema)
        self._connection = connection

    async def execute(self, sql: str) -> None:
        await self._connection.execute(sql)

    async def fetch(self, sql: str) -> list[Any]:
        return list(await self._connection.fetch(sql))

    async def picture(self) -> object:
        """Rows with the transactions and places that they are of, and those of the catalog."""
        assert self.schema is not None
        named = self.dialect.quote(self.schema)
        seen = [sorted(map(str, await self._connection.fetch(sql, named))) for sql in (_RELATIONS, _COLUMNS)]
        tables = await self._connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = $1::regnamespace", named
        )
        for (name,) in tables:
            table = f"{named}.{self.dialect.quote(name)}"
            rows = await self._connection.fetch(f"SELECT xmin, ctid, t::text FROM {table} t")
            seen.append([name, *map(str, rows)])
        return seen

    def literal(self, column: ColumnDefinition, value: Any) -> str:
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return quoted(f"\\x{value.hex()}")
        return quoted(spelled(column.type, value))

    def selected(self, column: ColumnDefinition) -> str:
        return f"{self.dialect.quote(column.name)}::text"

    def value(self, kind: ColumnType, found: Any) -> Any:
        if kind.kind == "bytes":
            return bytes.fromhex(found.removeprefix("\\x"))
        if kind.kind == "float32":
            return struct.unpack("f", struct.pack("f", float(found)))[0]
        return read(kind, found)
