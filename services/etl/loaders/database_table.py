"""Read a table or a view of a database."""

from typing import Annotated, Any, Final, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from services.etl.loaders._database_loader import DatabaseLoader, Partition, Table
from services.etl.pipeline import conditions
from shared.errors import Loc

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]

MAX_KEY_COLUMNS: Final = 32
"""What PostgreSQL takes in an index, the most of the three (manual, appendix K)."""

MAX_PARTITION_ROWS: Final = 100_000_000


class DatabaseTable(DatabaseLoader):
    """Read a table or a view of a database.

    All rows come out of one snapshot, in a transaction that can't write, or with `partition_rows` out of many
    short ones, in the order of a unique key. Then a row that keeps its key is read once, as it is when its
    range is read, and a lost connection is taken up again behind the last key.

    A value that is not of its column's declared type is rejected with its record: infinite times, NaN, zero
    dates, times of more than a day, texts in SQLite's columns of numbers. What the database can leave out by
    the condition is never read. Rows that go from one PostgreSQL to another without a step between, into
    columns of the very same types, are copied as they are, with infinity and NaN.
    """

    name = "database_table"
    title = "Database table"
    examples = (
        {
            "resource_id": "018f0000-0000-7000-8000-000000000000",
            "schema_name": "public",
            "table_name": "orders",
            "columns": [
                {"name": "id", "type": "int64", "nullable": False},
                {"name": "total", "type": "decimal(14,2)"},
                {"name": "updated_at", "type": "timestamptz"},
            ],
            "where": {"op": "ge", "column": "total", "value": "10.00"},
            "cursor_column": "updated_at",
            "lag": 300,
        },
    )

    class Params(DatabaseLoader.Params):
        schema_name: Name | None = Field(
            default=None,
            description="Schema of PostgreSQL, or database of MySQL; without it public, or the resource's.",
        )
        table_name: Name
        where: conditions.Condition | None = Field(
            default=None, description="Only rows for which it is true are wanted."
        )
        partition_rows: int = Field(
            default=0,
            ge=0,
            le=MAX_PARTITION_ROWS,
            description=(
                "Read a range of so many rows at a time, each in a transaction of its own; 0 for all in one."
                " For large tables whose database suffers under long transactions: 100000 is a good start."
            ),
        )
        partition_columns: list[Name] = Field(
            default_factory=list,
            max_length=MAX_KEY_COLUMNS,
            description="The columns of the unique index by which it is read; without them the primary key.",
            json_schema_extra={"x-widget": "columns"},
        )

        @model_validator(mode="after")
        def _columns_need_rows(self) -> Self:
            if self.partition_columns and not self.partition_rows:
                raise PydanticCustomError(
                    "partition_without_rows", "columns to read in parts by need a number of rows for a part"
                )
            return self

        @field_validator("where", mode="before")
        @classmethod
        def _small_enough(cls, value: Any) -> Any:
            return conditions.check_size(value)

    params: Params

    def check(self, loc: Loc) -> None:
        """As its base; the condition as well."""
        super().check(loc)
        if self.params.where is not None:
            conditions.check(self.params.where, self.columns_out(), loc=(*loc, "where"))

    @property
    def relation(self) -> Table:
        """The table."""
        return Table(self.params.table_name, self.params.schema_name)

    @property
    def partition(self) -> Partition | None:
        """The ranges that its parameters ask for."""
        rows, columns = self.params.partition_rows, self.params.partition_columns
        return Partition(rows, tuple(columns)) if rows else None

    @property
    def where(self) -> conditions.Condition | None:
        return self.params.where
