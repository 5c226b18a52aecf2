"""What loaders of databases have in common: the resource, the columns, and the cursor."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final, Literal, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.etl.columns import Column, ColumnName, Columns, Kind
from services.etl.loaders._base import Loader, Reading, Source
from services.etl.pipeline import conditions
from services.etl.pipeline.errors import TypeMismatch
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.errors import Loc

MAX_COLUMNS: Final = 1600
"""What PostgreSQL takes in one answer, the most of the three (manual, appendix K)."""

CURSOR_KINDS: Final[frozenset[Kind]] = frozenset(
    {"int16", "int32", "int64", "decimal", "date", "timestamp", "timestamptz", "text", "varchar"}
)
LAG_KINDS: Final[frozenset[Kind]] = CURSOR_KINDS - {"text", "varchar"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view by its name; without `schema` the one that the connection comes to."""

    name: str
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a tenant's; it has passed the guard."""

    text: str


Relation = Table | Query


@dataclass(frozen=True, slots=True)
class Partition:
    """Ranges of about so many rows, by a unique key over these columns; without columns the primary key."""

    rows: int
    columns: tuple[str, ...] = ()


class DatabaseLoader(Loader):
    """A loader that reads the rows of a table or of a query, in one snapshot of the database."""

    resource_types: ClassVar[tuple[str, ...]] = ("postgresql", "mysql", "sqlite")

    class Params(Loader.Params):
        resource_id: UUID = Field(json_schema_extra={"x-widget": "resource"})
        columns: list[Column] = Field(
            min_length=1,
            max_length=MAX_COLUMNS,
            description="Columns to read, with the types that their values must have.",
            json_schema_extra={"x-widget": "source-columns"},
        )
        cursor_column: ColumnName | None = Field(
            default=None,
            description=(
                "Read only rows whose value in this column is above that of the last run; it must grow with"
                " each change of a row. Rows without a value in it are rejected."
            ),
            json_schema_extra={"x-widget": "column", "x-column-types": [*map(str, sorted(CURSOR_KINDS))]},
        )
        lag: int = Field(
            default=0,
            ge=0,
            le=10**9,
            description=(
                "How far behind the last value a run begins, for rows that were committed late: seconds of"
                " times, days of dates, units of numbers. Such rows come again: use a mode with a key."
            ),
        )
        zero_dates: Literal["reject", "null"] = Field(
            default="reject", description="What MySQL's dates without a month or day become."
        )
        extra_columns: Literal["ignore", "fail"] = Field(
            default="ignore",
            description="What columns that are not declared do: they are not read, or end the run.",
        )

        @field_validator("columns")
        @classmethod
        def _distinct(cls, columns: list[Column]) -> list[Column]:
            seen: set[str] = set()
            for column in columns:
                if column.name in seen:
                    facts = {"name": repr(column.name)}
                    raise PydanticCustomError("column_duplicate", "column {name} is declared twice", facts)
                seen.add(column.name)
            return columns

        @field_validator("cursor_column", mode="before")
        @classmethod
        def _empty_is_none(cls, value: Any, _info: ValidationInfo) -> Any:
            return value or None

        @model_validator(mode="after")
        def _lag_needs_cursor(self) -> Self:
            if self.lag and self.cursor_column is None:
                raise PydanticCustomError("lag_without_cursor", "a lag needs a cursor column")
            return self

    params: Params

    @classmethod
    def of(cls, params: Mapping[str, Any], *, loc: Loc = ()) -> Self:
        """As for every step; also checks what concerns several parameters, each at its place."""
        made = super().of(params, loc=loc)
        made.check(loc)
        return made

    def check(self, loc: Loc) -> None:
        """Raise what is wrong with the parameters together, at its place below `loc`."""
        name = self.params.cursor_column
        if name is None:
            return
        column = self.columns_out().get(name, loc=(*loc, "cursor_column"))
        allowed, place = (LAG_KINDS, "lag") if self.params.lag else (CURSOR_KINDS, "cursor_column")
        if column.type.kind not in allowed:
            raise TypeMismatch(
                loc=(*loc, place), column=name, given=column.type, wanted=", ".join(sorted(allowed)),
                hint="choose another column" if place == "cursor_column" else "a lag needs numbers or times",
            )  # fmt: skip

    def columns_out(self) -> Columns:
        return self._columns

    @cached_property
    def _columns(self) -> Columns:
        return Columns(self.params.columns)

    @property
    @abstractmethod
    def relation(self) -> Relation:
        """What is read."""

    @property
    def where(self) -> conditions.Condition | None:
        """Which rows are wanted; None for all."""
        return None

    @property
    def partition(self) -> Partition | None:
        """In which parts it is read; None for one snapshot."""
        return None

    def open(self, source: Source) -> Reading:
        from services.etl.loaders import _database_reading

        return _database_reading.DatabaseReading(self, source)

    @classmethod
    def preview(cls, spec: PreviewSpec, source: Source) -> PreviewResult:
        from services.etl.loaders import _database_preview

        return _database_preview.preview(cls, spec, source)
