"""Make one row of each group."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.etl.columns import Column, ColumnName, Columns
from services.etl.handlers import _aggregates
from services.etl.handlers._aggregates import COUNTS, Function, with_new
from services.etl.handlers._base import TableHandler
from services.etl.handlers._faults import Faults
from services.etl.pipeline import duck_sql
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.etl.pipeline.pieces import Piece


class Aggregated(BaseModel):
    """A column of the result: a function of a column's values in the group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    function: Function
    column: ColumnName | None = Field(
        default=None,
        description="The column that it works on; `count` without one counts rows.",
        json_schema_extra={"x-widget": "column"},
    )
    into: ColumnName = Field(description="The column that gets the result.")
    separator: str = Field(
        default=", ",
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="What stands between two texts of string_agg.",
    )

    @model_validator(mode="after")
    def _has_a_column(self) -> "Aggregated":
        if self.column is None and self.function != "count":
            raise ValueError(f"{self.function} needs a column")
        return self


class Aggregate(TableHandler):
    """Make one row of each group.

    Rows are of one group when they are equal in all columns of `group_by`, where two NULLs are equal; without
    such columns all rows are one group. No rows in, no rows out. Functions leave NULLs out and are NULL
    where nothing is left: `count` (of rows, or of values), `count_distinct`, `sum`, `avg`, `min`, `max`,
    `first` and `last` (by the order of the rows), `string_agg`, `bool_and`, `bool_or`.

    Sums and means are exact. Sums of int16 and int32 are int64, of int64 decimal(38,0), of decimals
    decimal(38, their scale); means are decimals with six digits more behind the point (at most 38), rounded
    half away from zero. A result beyond its type fails the run. Sums and means of floats are floats.
    Groups come in the order of their first rows and have the smallest of their record numbers.
    """

    name = "aggregate"
    examples = (
        {
            "group_by": ["origin", "dest"],
            "aggregates": [
                {"function": "count", "into": "flights"},
                {"function": "avg", "column": "arr_delay", "into": "mean_delay"},
            ],
        },
        {"aggregates": [{"function": "max", "column": "time_hour", "into": "latest"}]},
    )

    class Params(TableHandler.Params):
        group_by: list[ColumnName] = Field(
            default=[],
            max_length=1000,
            description="The columns that make a group; none for one group of all rows.",
            json_schema_extra={"x-widget": "columns"},
        )
        aggregates: list[Aggregated] = Field(
            default=[],
            max_length=1000,
            description="The further columns of the result.",
            json_schema_extra={"x-widget": "table"},
        )

        @model_validator(mode="after")
        def _has_a_result(self) -> "Aggregate.Params":
            if not self.group_by and not self.aggregates:
                raise ValueError("give group_by, aggregates or both")
            return self

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults, made = Faults(), Columns()
        with faults.inside():
            made = columns.only(self.params.group_by, loc=("group_by",))
        for position, part in enumerate(self.params.aggregates):
            with faults.inside():
                made = with_new(made, _made(part, columns, position), loc=("aggregates", position, "into"))
        faults.complain()
        return made

    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.pipeline import duck

        given = duck.Marked(pieces, context.columns_in)
        groups = 0
        with duck.Duck(context) as database:
            database.stream("given", given, given.schema)
            for batch in database.rows(self._query(context.columns_in)):
                groups += len(batch)
                yield duck.as_piece(self._finished(batch, context), context.columns_out)
        context.merged(given.rows - groups)

    def _query(self, columns: Columns) -> str:
        keys = duck_sql.names(columns, self.params.group_by)
        return _aggregates.query(keys, [_sql(part, columns) for part in self.params.aggregates])

    def _finished(self, batch: Any, context: Context) -> Any:
        return _aggregates.finished_batch(batch, context, keys=len(self.params.group_by))


def _made(part: Aggregated, columns: Columns, position: int) -> Column:
    if part.column is None:
        return Column(name=part.into, type=_aggregates.COUNT, nullable=False)
    place = ("aggregates", position, "column")
    source = _aggregates.checked(part.function, columns, part.column, loc=place)
    kind = _aggregates.result_type(part.function, source.type)
    nullable = source.nullable and part.function not in COUNTS
    return Column(name=part.into, type=kind, nullable=nullable)


def _sql(part: Aggregated, columns: Columns) -> str:
    if part.column is None:
        return "count(*)"
    value = duck_sql.names(columns, [part.column])[0]
    kind = columns.get(part.column).type
    return _aggregates.sql(part.function, value, kind, separator=part.separator)
