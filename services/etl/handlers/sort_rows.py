"""Put the rows in an order."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import ColumnName, Columns
from services.etl.handlers._base import TableHandler
from services.etl.handlers._faults import Faults, require_one
from services.etl.pipeline import duck_sql
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.etl.pipeline.pieces import Piece


class SortColumn(BaseModel):
    """A column to sort by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: ColumnName = Field(json_schema_extra={"x-widget": "column"})
    direction: Literal["ascending", "descending"] = "ascending"
    nulls: Literal["first", "last"] = Field(default="last", description="Where rows go that have no value.")

    def sql(self, name: str) -> str:
        """The term of ORDER BY for the column under its name in SQL."""
        direction = "ASC" if self.direction == "ascending" else "DESC"
        return f"{name} {direction} NULLS {self.nulls.upper()}"


class SortRows(TableHandler):
    """Put the rows in an order.

    By the first column, then by the second among equal ones, and so on; rows that are equal in all of them
    keep the order that they had. Text is ordered by code points: "Z" before "a", "10" before "9". NULL comes
    last, or first where that is asked for, whatever the direction. Any number of rows can be sorted: what
    doesn't fit into memory goes to disk for a while.
    """

    name = "sort_rows"
    examples = (
        {"by": [{"column": "time_hour"}]},
        {"by": [{"column": "distance", "direction": "descending"}, {"column": "tailnum", "nulls": "first"}]},
    )

    class Params(TableHandler.Params):
        by: list[SortColumn] = Field(
            min_length=1,
            max_length=100,
            description="The columns, the most important one first.",
            json_schema_extra={"x-widget": "table"},
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults = Faults()
        for position, by in enumerate(self.params.by):
            with faults.inside():
                require_one(
                    columns, by.column, lambda kind: kind.kind != "json", wanted="a type with an order",
                    loc=("by", position, "column"),
                )  # fmt: skip
        faults.complain()
        return columns

    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.pipeline import duck
        from services.etl.pipeline.duck_places import in_places

        columns = context.columns_in
        given = duck.Marked(pieces, columns)
        with duck.Duck(context) as database:
            database.keep("given", given, given.schema)
            order = [by.sql(duck_sql.names(columns, [by.column])[0]) for by in self.params.by]
            place = f"row_number() OVER (ORDER BY {', '.join(order)}, seq) - 1"
            query = f"SELECT seq, {place} FROM given ORDER BY seq"  # noqa: S608  names of our own making
            for batch in in_places(database, given, query):
                yield duck.as_piece(batch, columns)
