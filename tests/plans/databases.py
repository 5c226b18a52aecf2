"""The three databases as the tests see them: beside the product, by plain SQL."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Dialect
from services.etl.tables.targets import Targets
from services.etl.tables.targets.base import Target
from shared.contracts.connection import ConnectionInfo
from shared.security.guard import OutboundPolicy
from tests.integration.etl_config.conftest import handed_out

from .changing import Row
from .values import Raw


@dataclass(frozen=True)
class Resource:
    """What the product is told of a database; files lie below `root` in the tenant's `folder`."""

    connection: ConnectionInfo
    root: Path
    folder: str = "default"

    @property
    def dialect(self) -> Dialect:
        return DIALECTS[self.connection.type]

    def open(self) -> Target:
        """The product's way into it."""
        targets = Targets(policy=OutboundPolicy(allow_loopback=True), sqlite_root=self.root)
        given = handed_out(self.connection).model_copy(update={"tenant_folder": self.folder})
        return targets.open(given)


class Database(ABC):
    """A database with room for one pair of tables: rows go in and out as Python values."""

    transactional: ClassVar[bool] = True
    """Whether a change is all or nothing."""

    def __init__(self, resource: Resource, schema: str | None) -> None:
        self.resource = resource
        self.target = resource.open()
        self.dialect = resource.dialect
        self.schema = schema

    @abstractmethod
    async def execute(self, sql: str) -> None:
        """Run a statement as somebody else does."""

    @abstractmethod
    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        """The rows of a query as the driver gives them."""

    @abstractmethod
    async def picture(self) -> object:
        """All that is there, so that two pictures are equal only if nothing was touched in between."""

    @abstractmethod
    def literal(self, column: ColumnDefinition, value: Any) -> str:
        """The value in SQL."""

    @abstractmethod
    def value(self, kind: ColumnType, found: Any) -> Any:
        """The value that stands in a column of the type; AssertionError for what is none of that type."""

    def selected(self, column: ColumnDefinition) -> str:
        """The column in a SELECT."""
        return self.dialect.quote(column.name)

    async def insert(self, location: Location, definition: TableDefinition, rows: Iterable[Row]) -> None:
        """Write rows."""
        lines = [
            ", ".join(self.literal(column, row[column.id]) for column in definition.columns) for row in rows
        ]
        if lines:
            names = self.dialect.listed(column.name for column in definition.columns)
            rows_of = ", ".join(f"({line})" for line in lines)
            await self.execute(f"INSERT INTO {self.dialect.at(location)} ({names}) VALUES {rows_of}")

    async def empty(self, location: Location) -> None:
        """Remove all rows."""
        await self.execute(f"DELETE FROM {self.dialect.at(location)}")

    async def rows(self, location: Location, definition: TableDefinition) -> list[Row]:
        """All rows, in no order."""
        listed = ", ".join(self.selected(column) for column in definition.columns)
        found = await self.fetch(f"SELECT {listed} FROM {self.dialect.at(location)}")
        return [
            {
                column.id: None if value is None else self.read(column, value)
                for column, value in zip(definition.columns, row, strict=True)
            }
            for row in found
        ]

    def read(self, column: ColumnDefinition, found: Any) -> Any:
        """The value that stands in a column."""
        if column.native is not None:
            return Raw(found.decode() if isinstance(found, bytes) else str(found))
        return self.value(column.type, found)


def quoted(text: str) -> str:
    """A text in SQL, where only the quote is special."""
    return "'" + text.replace("'", "''") + "'"
