"""Look rows up in a further source."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.etl.columns import Column, ColumnName, Columns
from services.etl.handlers._aggregates import with_new
from services.etl.handlers._base import TableHandler
from services.etl.handlers._faults import Faults
from services.etl.pipeline import duck_sql
from services.etl.pipeline.context import Context
from services.etl.pipeline.definition import SourceConfig
from services.etl.pipeline.errors import TypeMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.etl.pipeline.pieces import Piece

RIGHT: Final = "right"


class JoinKey(BaseModel):
    """A column of the rows, and the one of the further source that must be equal to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: ColumnName = Field(json_schema_extra={"x-widget": "column"})
    right: ColumnName


class JoinColumn(BaseModel):
    """A column to take from the further source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: ColumnName
    into: ColumnName | None = Field(default=None, description="Its new name; the prefix and its own without.")


class Join(TableHandler):
    """Look rows up in a further source.

    `left` keeps every row and adds the columns that are taken, NULL where nothing matches; `inner` keeps the
    rows that match; `semi` and `anti` keep the rows that match, or don't, and take no columns. Rows that are
    not kept are filtered, or rejected. All keys must be equal for a match, and NULL is equal to nothing. Text
    is compared exactly, numbers by their value.

    Where several rows of the further source match, the first one is taken, or the row is rejected, or there
    is one row for each match; `semi` and `anti` don't care how many match. Rows come in the order that they
    had, and both sides may be of any size. A row of the further source that can't be read fails the run.
    """

    name = "join"
    examples = (
        {
            "right": {
                "loader": "csv",
                "params": {
                    "file_id": "018f0000-0000-7000-8000-000000000000",
                    "columns": [{"name": "carrier", "type": "text"}, {"name": "name", "type": "text"}],
                },
            },
            "keys": [{"left": "carrier", "right": "carrier"}],
            "columns": [{"column": "name", "into": "airline"}],
        },
    )

    class Params(TableHandler.Params):
        right: SourceConfig = Field(
            description="The further source: a loader and its parameters.",
            json_schema_extra={"x-widget": "source"},
        )
        keys: list[JoinKey] = Field(min_length=1, max_length=100, json_schema_extra={"x-widget": "table"})
        columns: list[JoinColumn] = Field(
            default=[],
            max_length=1000,
            description="The columns to take from the further source.",
            json_schema_extra={"x-widget": "table"},
        )
        prefix: str = Field(
            default="",
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="What is put before the names of columns that are taken.",
        )
        how: Literal["left", "inner", "semi", "anti"] = Field(
            default="left", description="Which rows are kept, and whether columns are taken."
        )
        several: Literal["first", "reject", "multiply"] = Field(
            default="first", description="What becomes of a row with several matches."
        )
        dropped: Literal["filter", "reject"] = Field(
            default="filter", description="Whether rows that are not kept are filtered or rejected."
        )

        @property
        def returns_columns(self) -> bool:
            """Whether columns of the further source are taken, so that it matters which row matches."""
            return self.how in {"left", "inner"}

        @property
        def taken(self) -> list[JoinColumn]:
            """The columns that are taken."""
            return self.columns if self.returns_columns else []

        @property
        def used(self) -> set[str]:
            """The columns of the further source that matter."""
            return {key.right for key in self.keys} | {taken.column for taken in self.taken}

    params: Params

    def lookups(self) -> Mapping[str, SourceConfig]:
        return {RIGHT: self.params.right}

    def columns_out(self, columns: Columns) -> Columns:
        right, faults = self.looked_up[RIGHT], Faults()
        for position, key in enumerate(self.params.keys):
            with faults.inside():
                _check_key(key, columns, right, position)
        made = columns
        for position, taken in enumerate(self.params.taken):
            with faults.inside():
                place = ("columns", position)
                source = right.get(taken.column, loc=(*place, "column"))
                made = with_new(
                    made, self._renamed(taken, source), loc=(*place, "into" if taken.into else "column")
                )
        faults.complain()
        return made

    def through(self, pieces: "Iterator[Piece]", context: Context) -> "Iterator[Piece]":
        from services.etl.handlers import _joined
        from services.etl.pipeline import duck

        lookup = context.lookup(RIGHT)
        further = _joined.Further(lookup.batches(), lookup.columns, self.params.used)
        given = duck.Marked(pieces, context.columns_in)
        outcome = _joined.Outcome(self.params, context)
        with duck.Duck(context) as database:
            database.keep("further", further, further.schema)
            database.keep("given", given, given.schema)
            query = _joined.query(self.params, context.columns_in, lookup.columns)
            for rows, matches in database.beside(query):
                yield duck.as_piece(outcome.kept(rows, matches), context.columns_out)

    def _renamed(self, taken: JoinColumn, source: Column) -> Column:
        nullable = source.nullable or self.params.how == "left"
        name = taken.into or self.params.prefix + taken.column
        return source.model_copy(update={"name": name, "nullable": nullable})


def _check_key(key: JoinKey, columns: Columns, right: Columns, position: int) -> None:
    faults, place = Faults(), ("keys", position)
    with faults.inside():
        left_type = columns.get(key.left, loc=(*place, "left")).type
    with faults.inside():
        right_type = right.get(key.right, loc=(*place, "right")).type
    faults.complain()
    if duck_sql.common_type(left_type, right_type) is None or left_type.kind == "json":
        raise TypeMismatch(
            loc=(*place, "right"), column=key.right, given=right_type, wanted=left_type,
            hint="values of the two can't be compared exactly, cast one",
        )  # fmt: skip
