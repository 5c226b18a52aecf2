"""Keep one row for each key."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from services.etl.columns import ColumnName, ColumnNames, Columns
from services.etl.handlers._base import TableHandler
from services.etl.handlers._faults import Faults, require_one
from services.etl.pipeline import duck_sql
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.etl.pipeline.pieces import Piece


class Deduplicate(TableHandler):
    """Keep one row for each key.

    The first or the last one in the order of the rows, or the one with the smallest or the greatest value in
    the column `by`, where NULL loses and the order of the rows decides among equal ones. Two NULLs in a key
    count as equal, texts are compared exactly. Rows that stay keep their order. Any number of keys is
    compared: what doesn't fit into memory goes to disk for a while. Without `by` the first rows are given
    while the source is still being read; `last` and `by` need all rows first.
    """

    name = "deduplicate"
    examples = (
        {"columns": ["carrier", "flight", "time_hour"]},
        {"columns": ["tailnum"], "keep": "last", "by": "time_hour"},
    )

    class Params(TableHandler.Params):
        columns: ColumnNames = Field(description="The columns that make the key.")
        keep: Literal["first", "last"] = Field(default="first", description="Which row of a key is kept.")
        by: ColumnName | None = Field(
            default=None,
            description="The column whose order decides, instead of the order of the rows.",
            json_schema_extra={"x-widget": "column"},
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults = Faults()
        with faults.inside():
            columns.only(self.params.columns, loc=("columns",))
        if self.params.by is not None:
            with faults.inside():
                require_one(
                    columns, self.params.by, lambda kind: kind.kind != "json", wanted="a type with an order",
                    loc=("by",),
                )  # fmt: skip
        faults.complain()
        return columns

    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.handlers import _first_rows

        if self.params.keep == "first" and self.params.by is None:
            return _first_rows.first_rows(self.params.columns, pieces, context)
        return self._gathered(pieces, context)

    def _gathered(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.pipeline import duck

        columns = context.columns_in
        given, kept = duck.Marked(pieces, columns), 0
        with duck.Duck(context) as database:
            database.keep("given", given, given.schema)
            for batch, _ in database.beside(self._query(columns)):
                kept += len(batch)
                yield duck.as_piece(batch, columns)
        context.deduplicated(given.rows - kept)

    def _query(self, columns: Columns) -> str:
        direction = "ASC" if self.params.keep == "first" else "DESC"
        order = [f"seq {direction}"]
        if self.params.by is not None:
            order.insert(0, f"{duck_sql.names(columns, [self.params.by])[0]} {direction} NULLS LAST")
        keys = ", ".join(duck_sql.names(columns, self.params.columns))
        place = f"row_number() OVER (PARTITION BY {keys} ORDER BY {', '.join(order)})"
        return f"SELECT seq FROM given QUALIFY {place} = 1 ORDER BY seq"  # noqa: S608  names of our own making
