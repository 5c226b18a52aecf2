"""Unique keys of a table: which of them it can be read by in parts, and how their values are compared.

It is always the server that compares: by the collations of its columns and in the order of its index.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from services.etl.loaders._database_sql import FoundColumn, Order, SourceSql
from services.etl.pipeline.errors import SourceChanged, SourceInvalid

Values = tuple[Any, ...]
"""The values of a key in one row, as only the session that gave them knows to spell them again."""


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a key. `collation` is that of the index, where it has to be named."""

    name: str
    spelled: str = ""
    nullable: bool = False
    collation: str = ""


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index over whole columns, all in one direction, that knows every row of its table."""

    index: str
    columns: tuple[KeyColumn, ...]
    is_primary: bool = False

    @property
    def names(self) -> list[str]:
        """Its columns, in the order of the index."""
        return [column.name for column in self.columns]


class KeySql(ABC):
    """How an engine spells the values of a key, and what lies above them."""

    sql: ClassVar[SourceSql]

    @abstractmethod
    def selected(self, column: KeyColumn) -> str:
        """The expression whose value `spelled` takes."""

    @abstractmethod
    def spelled(self, value: Any, column: KeyColumn) -> str:
        """The value in SQL; a question mark where the statement takes it as a parameter."""

    def unfit(self, _column: KeyColumn) -> bool:
        """Whether the values of its type are not ordered as they compare, or can't be spelled exactly."""
        return False

    def name(self, column: KeyColumn) -> str:
        """The column, as it is compared and ordered."""
        return self.sql.quote(column.name)

    def order(self, key: UniqueKey, *, descending: bool = False, offset: int = 0) -> Order:
        """The order of the key."""
        direction = " DESC" if descending else ""
        by = ", ".join(f"{self.name(column)}{direction}" for column in key.columns)
        return Order(by, self.hint(key), offset)

    def hint(self, _key: UniqueKey) -> str:
        """What makes the server use the index of the key, behind the table's name."""
        return ""

    def known(self, key: UniqueKey) -> list[str]:
        """True for rows that have a key: others may get a NULL where one is allowed."""
        return [f"{self.sql.quote(column.name)} IS NOT NULL" for column in key.columns if column.nullable]

    def beyond(self, key: UniqueKey, values: Values) -> str:
        """True for rows above the values."""
        return self._compared(key, values, ">")

    def up_to(self, key: UniqueKey, values: Values) -> str:
        """True for rows that are not above the values."""
        return self._compared(key, values, "<=")

    def _compared(self, key: UniqueKey, values: Values, operator: str) -> str:
        names = ", ".join(self.name(column) for column in key.columns)
        spelled = ", ".join(
            self.spelled(value, column) for value, column in zip(values, key.columns, strict=True)
        )
        return f"({names}) {operator} ({spelled})" if len(values) > 1 else f"{names} {operator} {spelled}"


def chosen(
    keys: Sequence[UniqueKey], wanted: Sequence[str], found: Sequence[FoundColumn], sql: KeySql
) -> UniqueKey:
    """The key over exactly the wanted columns, in whatever order, or the primary key where none are wanted.

    Raises SourceChanged for a column that is not there, and SourceInvalid where no row-by-row order of the
    whole table follows from the key.
    """
    names = {column.name for column in found}
    missing = [name for name in wanted if name not in names]
    if missing:
        raise SourceChanged(reason=f"it has no column {missing[0]!r}")
    fitting = [key for key in keys if (set(key.names) == set(wanted) if wanted else key.is_primary)]
    if not fitting:
        raise SourceInvalid(reason=_none(wanted))
    key = min(fitting, key=lambda key: not key.is_primary)
    for column in key.columns:
        if sql.unfit(column):
            raise SourceInvalid(
                reason=f"its column {column.name!r} is {column.spelled}, by which it can't be read in parts"
            )
    return key


def _none(wanted: Sequence[str]) -> str:
    if not wanted:
        return "it has no primary key to be read in parts by: name the columns of a unique index"
    spelled = ", ".join(repr(name) for name in wanted)
    return f"it has no unique index over just {spelled} by which it could be read in parts"
