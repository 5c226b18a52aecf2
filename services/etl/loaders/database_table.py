"""Read a table or a view of a database."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from services.etl.loaders._database_loader import DatabaseLoader, Table
from services.etl.pipeline import conditions
from shared.errors import Loc

Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]


class DatabaseTable(DatabaseLoader):
    """Read a table or a view of a database.

    All rows come out of one snapshot, in a transaction that can't write. A value that is not of its column's
    declared type is rejected with its record: infinite times, NaN, zero dates, times of more than a day,
    texts in SQLite's columns of numbers. What the database can leave out by the condition is never read.
    Rows that go from one PostgreSQL to another without a step between, into columns of the very same types,
    are copied as they are, with infinity and NaN.
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
    def where(self) -> conditions.Condition | None:
        return self.params.where
