"""MySQL and MariaDB beside the product."""

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition

from .databases import Database, Resource, quoted
from .values import Raw, number, read, spelled

_MIDNIGHT: Final = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - a time without zone is what is meant
MODE: Final = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'"


class MysqlDatabase(Database):
    """A database of its own; `connection` is one that all pairs share, in MODE."""

    transactional = False

    def __init__(self, resource: Resource, schema: str, connection: Any) -> None:
        super().__init__(resource, schema)
        self._connection = connection

    async def execute(self, sql: str) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        async with self._connection.cursor() as cursor:
            await cursor.execute(sql)
            return list(await cursor.fetchall())

    async def picture(self) -> object:
        """Tables as they were made, under the numbers that a rebuild changes, and their rows."""
        assert self.schema is not None
        tables = await self.fetch(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema = {quoted(self.schema)}"
        )
        seen: list[object] = []
        for (name,) in sorted(tables):
            at = f"{self.dialect.quote(self.schema)}.{self.dialect.quote(name)}"
            seen += [await self.fetch(f"SHOW CREATE TABLE {at}"), await self.fetch(f"SELECT * FROM {at}")]
        numbers = "SELECT name, table_id, space FROM information_schema.innodb_sys_tables"
        return [*seen, await self.fetch(f"{numbers} WHERE name LIKE {quoted(self.schema + '/%')} ORDER BY 1")]

    def literal(self, column: ColumnDefinition, value: Any) -> str:  # noqa: PLR0911 - one for each type
        match value:
            case None:
                return "NULL"
            case bool():
                return "1" if value else "0"
            case bytes():
                return f"X'{value.hex()}'"
            case float():
                return f"{value!r}" if "e" in repr(value) else f"{value!r}e0"
            case dt.datetime():
                return quoted(value.replace(tzinfo=None).isoformat(sep=" "))
            case Raw() if value.text.isdigit():
                return value.text
        return quoted(spelled(column.type, value))

    def value(self, kind: ColumnType, found: Any) -> Any:  # noqa: PLR0911 - one for each type
        match kind.kind:
            case "boolean":
                assert found in {0, 1}
                return bool(found)
            case "time":
                assert isinstance(found, dt.timedelta)
                return (_MIDNIGHT + found).time()
            case "timestamptz":
                assert isinstance(found, dt.datetime)
                return found.replace(tzinfo=dt.UTC)
            case "json":
                return read(kind, found)
            case "uuid":
                assert found == str(UUID(found))
                return UUID(found)
            case "decimal":
                assert isinstance(found, Decimal)
                assert -found.as_tuple().exponent == (kind.scale or 0)  # type: ignore[operator]  # it's finite
                return number(kind, found)
        return found
