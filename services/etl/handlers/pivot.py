"""Make columns of the values of a column."""

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, ColumnName, Columns
from services.etl.handlers import _aggregates
from services.etl.handlers._aggregates import COUNTS, Function, with_new
from services.etl.handlers._base import TableHandler
from services.etl.handlers._faults import Faults, require_one
from services.etl.pipeline import duck_sql, literals
from services.etl.pipeline.context import Context
from services.etl.pipeline.literals import literal
from shared.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.etl.pipeline.pieces import Piece


class PivotValueTwice(Invalid):
    """The value {value!r} is listed twice."""


class PivotValue(BaseModel):
    """A value of the column, and the column that it becomes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: literals.Literal = Field(description="The value; decimals, dates and times as text.")
    into: ColumnName


class Pivot(TableHandler):
    """Make columns of the values of a column.

    Rows that are equal in all columns of `group_by` become one row (two NULLs are equal), with one column for
    each value that is listed: a function of `of` in the rows that have this value in `column`. Rows with
    other values count for none of these columns. A cell without rows is NULL, or 0 for counts. The columns
    are those that are declared, so that they don't change with the data. Functions, types of results and the
    order of the groups are those of `aggregate`.
    """

    name = "pivot"
    examples = (
        {
            "group_by": ["dest"],
            "column": "origin",
            "values": [{"value": "JFK", "into": "from_jfk"}, {"value": "LGA", "into": "from_lga"}],
            "function": "sum",
            "of": "distance",
        },
    )

    class Params(TableHandler.Params):
        group_by: list[ColumnName] = Field(
            min_length=1,
            max_length=1000,
            description="The columns that make a row of the result.",
            json_schema_extra={"x-widget": "columns"},
        )
        column: ColumnName = Field(
            description="The column whose values become columns.", json_schema_extra={"x-widget": "column"}
        )
        values: list[PivotValue] = Field(
            min_length=1, max_length=1000, json_schema_extra={"x-widget": "table"}
        )
        function: Function = Field(description="What is made of several values in one cell.")
        of: ColumnName = Field(
            description="The column that the cells are made of.", json_schema_extra={"x-widget": "column"}
        )
        separator: str = Field(
            default=", ",
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="What stands between two texts of string_agg.",
        )

    params: Params

    def columns_out(self, columns: Columns) -> Columns:
        faults, made = Faults(), Columns()
        with faults.inside():
            made = columns.only(self.params.group_by, loc=("group_by",))
        with faults.inside():
            self._check_values(columns)
        with faults.inside():
            cell = self._cell(columns)
            for position, value in enumerate(self._listed):
                with faults.inside():
                    column = cell.model_copy(update={"name": value.into})
                    made = with_new(made, column, loc=("values", position, "into"))
        faults.complain()
        return made

    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.pipeline import duck

        given = duck.Marked(pieces, context.columns_in)
        groups = 0
        with duck.Duck(context) as database:
            listed = self._listed_batch(context.columns_in)
            database.keep("listed", [listed], listed.schema)
            database.stream("given", given, given.schema)
            for batch in database.rows(self._query(context.columns_in)):
                groups += len(batch)
                yield duck.as_piece(self._finished(batch, context), context.columns_out)
        context.merged(given.rows - groups)

    @property
    def _listed(self) -> list[PivotValue]:
        return self.params.values

    def _check_values(self, columns: Columns) -> None:
        """Raises ColumnsUnfit with every value that isn't one of the column, or is there twice."""
        source = require_one(
            columns, self.params.column, lambda kind: kind.kind not in {"json", "float32", "float64"},
            wanted="a type whose values can be listed", loc=("column",),
        )  # fmt: skip
        faults, seen = Faults(), set[Any]()
        for position, listed in enumerate(self._listed):
            place = ("values", position, "value")
            with faults.inside():
                value = literal(listed.value, source.type, loc=place)
                if value in seen:
                    raise PivotValueTwice(loc=place, value=listed.value)
                seen.add(value)
        faults.complain()

    def _cell(self, columns: Columns) -> Column:
        source = _aggregates.checked(self.params.function, columns, self.params.of, loc=("of",))
        kind = _aggregates.result_type(self.params.function, source.type)
        return Column(name=source.name, type=kind, nullable=self.params.function not in COUNTS)

    def _listed_batch(self, columns: Columns) -> Any:
        """One row with the listed values: `w0`, `w1`, ..."""
        import pyarrow as pa

        from services.etl.pipeline.arrow_types import arrow_type

        kind = columns.get(self.params.column).type
        arrays = [pa.array([literal(listed.value, kind)], arrow_type(kind)) for listed in self._listed]
        return pa.RecordBatch.from_arrays(arrays, names=[f"w{at}" for at in range(len(arrays))])

    def _query(self, columns: Columns) -> str:
        keys = duck_sql.names(columns, self.params.group_by)
        column, of = duck_sql.names(columns, [self.params.column, self.params.of])
        kind = columns.get(self.params.of).type
        cells = [
            _aggregates.sql(
                self.params.function,
                f"CASE WHEN {column} = w{at} THEN {of} END",
                kind,
                separator=self.params.separator,
            )
            for at in range(len(self._listed))
        ]
        return _aggregates.query(keys, cells, source="given, listed")

    def _finished(self, batch: Any, context: Context) -> Any:
        return _aggregates.finished_batch(batch, context, keys=len(self.params.group_by))
