"""What a data table is meant to be, independent of the database that holds it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, Columns, ColumnTypeText
from services.etl.pipeline.definition import TargetTable

MAX_COLUMNS = 1000
MAX_KEY_COLUMNS = 32
"""PostgreSQL's INDEX_MAX_KEYS."""

Name = Annotated[str, Field(max_length=255)]
"""A name in a database; how long it may be in bytes and which names are taken is checked with its place."""

MAX_COMMENT = 2000
Comment = Annotated[str, Field(max_length=MAX_COMMENT)]

NativeType = Annotated[
    str,
    Field(min_length=1, max_length=10_000, description="A type of the database by its name, such as inet."),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Default(_Part):
    """A column's default: a literal, as text, a function of the database, or what was found and is kept."""

    literal: Annotated[str, Field(max_length=2000)] | None = Field(
        default=None, description="The value as text, such as 0, true, 2026-01-31 or a word."
    )
    function: Literal["now"] | None = Field(default=None, description="now: the time of the insert.")
    kept: Annotated[str, Field(max_length=10_000)] | None = Field(
        default=None,
        description="An expression of the database, or `identity` or `generated`: found in an adopted table"
        " and left as it is. It can't be given to another column.",
    )


class ColumnDefinition(_Part):
    """A column. `id` stays the same whatever else changes.

    With `native` the database holds it in that type of its own, and `type` says only how its values travel.
    """

    id: UUID
    name: Name
    type: ColumnTypeText
    native: NativeType | None = None
    nullable: bool = True
    default: Default | None = None
    comment: Comment = ""


class KeyDefinition(_Part):
    """A unique key or an index over columns, in this order."""

    name: Name
    columns: list[str]


class TableDefinition(_Part):
    """The whole table: columns in order, keys by the names of their columns, comments."""

    columns: list[ColumnDefinition]
    primary_key: list[str] = Field(default_factory=list)
    unique_keys: list[KeyDefinition] = Field(default_factory=list)
    indexes: list[KeyDefinition] = Field(default_factory=list)
    comment: Comment = ""

    def fingerprint(self) -> str:
        """A SHA-256 over everything in it: equal definitions have equal ones."""
        return digest(self.model_dump(mode="json"))

    @property
    def keyed(self) -> frozenset[str]:
        """The names of all columns that are in a key or an index."""
        keys = [key.columns for key in (*self.unique_keys, *self.indexes)]
        return frozenset(name for names in (self.primary_key, *keys) for name in names)

    def column(self, name: str) -> ColumnDefinition | None:
        """The column of this name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def as_target(self) -> TargetTable:
        """The table as a pipeline sees it that is to fill it."""
        return TargetTable(
            columns=Columns(
                Column(name=column.name, type=column.type, nullable=column.nullable)
                for column in self.columns
            ),
            key=tuple(self.primary_key),
            defaults=frozenset(column.name for column in self.columns if column.default is not None),
        )


@dataclass(frozen=True, slots=True)
class Location:
    """Where a table lies in its resource: `schema` is None where the database has none."""

    schema: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def key(self) -> str:
        """Equal for locations that differ only in the case of their letters."""
        return json.dumps([(self.schema or "").casefold(), self.name.casefold()], ensure_ascii=False)


def digest(value: object) -> str:
    """The SHA-256 of plain data in its canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
