"""What a change means for one row, worked out in Python."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.dialects import Dialect
from services.etl.tables.dialects.casts import castable

from .casting import cast
from .values import Raw, read

Row = dict[UUID, Any]
"""Values by the ids of their columns."""

Fate = Literal["stays", "cast", "new"]

NOW: Final = "the time of the change"


@dataclass(frozen=True)
class Changing:
    """Two definitions in one database."""

    dialect: Dialect
    before: TableDefinition
    after: TableDefinition

    def prior(self, column: ColumnDefinition) -> ColumnDefinition | None:
        """The same column before."""
        return next((one for one in self.before.columns if one.id == column.id), None)

    def later(self, column: ColumnDefinition) -> ColumnDefinition | None:
        """The same column after."""
        return next((one for one in self.after.columns if one.id == column.id), None)

    def fate(self, column: ColumnDefinition) -> Fate:
        """What happens to the values of a column of the second definition."""
        prior = self.prior(column)
        if prior is None:
            return "new"
        types = self.dialect.column_type(prior, self.before), self.dialect.column_type(column, self.after)
        if types[0] == types[1]:
            return "stays"
        return "cast" if self.dialect.castable(prior, column) else "new"

    def value(self, column: ColumnDefinition, row: Row) -> Any:
        """What a row will have in a column. Raises Unfit."""
        prior, fate = self.prior(column), self.fate(column)
        if prior is None or fate == "new":
            return self._default(column)
        value, kind = row[column.id], self.dialect.held(column, self.after)
        if isinstance(value, Raw):
            return value if fate == "stays" else read(kind, value.text)
        if fate == "stays" and not castable(prior.type, kind):
            return value  # both are one type of the database
        return cast(prior.type, kind, value)

    def _default(self, column: ColumnDefinition) -> Any:
        default = column.default
        if default is None:
            return None
        return NOW if default.literal is None else read(column.type, default.literal)

    def lost(self) -> Iterator[UUID]:
        """The columns whose values go."""
        kept = {column.id for column in self.after.columns if self.fate(column) != "new"}
        return (column.id for column in self.before.columns if column.id not in kept)
