"""Make columns by expressions."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.etl.columns import Column, ColumnName, Columns, ColumnTypeText
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults
from services.etl.pipeline import expression
from services.etl.pipeline.context import Context
from services.etl.pipeline.expression_tree import MAX_LENGTH, ExpressionInvalid
from services.etl.pipeline.expression_types import Typed
from shared.errors import Loc

if TYPE_CHECKING:
    from pandas import DataFrame

ExpressionText = Annotated[
    str, Field(min_length=1, max_length=MAX_LENGTH, json_schema_extra={"x-widget": "expression"})
]
"""An expression as it is written; `Expressions` in docs/handlers.md has the language."""

OnError = Annotated[
    Literal["reject", "null"],
    Field(description="Where it can't be computed: reject the row, or make the value NULL."),
]


class DerivedColumn(BaseModel):
    """A column and the expression that makes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: ColumnName = Field(description="Its name; a column of this name is replaced in its place.")
    expression: ExpressionText
    type: ColumnTypeText | None = Field(default=None, description="Its type; that of the expression without.")
    on_error: OnError = "reject"


class DeriveColumn(Handler):
    """Make a column from others by an expression, such as `round(price * qty, 2)`.

    A column of this name is replaced, others are added at the end. Several columns are made in their order,
    and each may use those made before it. Values are exact: decimals stay decimals. Where a value can't be
    computed (a division by zero, an overflow, a cast that doesn't fit), the row is rejected or the value is
    NULL. `now()` is the moment at which the run began.
    """

    name = "derive_column"
    examples = (
        {"column": "gain", "expression": "dep_delay * 2 + 1"},
        {
            "columns": [
                {"column": "route", "expression": "upper(origin) || '-' || coalesce(dest, 'none')"},
                {"column": "far", "expression": "case when distance > 1000 then 'far' else 'near' end"},
                {"column": "per_mile", "expression": "round(fare / distance, 4)", "on_error": "null"},
            ]
        },
        {"column": "day", "expression": "try_cast(day as date)", "type": "date"},
    )

    class Params(Handler.Params):
        column: ColumnName | None = Field(
            default=None, description="Its name; a column of this name is replaced in its place."
        )
        expression: ExpressionText | None = Field(default=None, description="What it is made of.")
        type: ColumnTypeText | None = Field(
            default=None, description="Its type; that of the expression without."
        )
        on_error: OnError = "reject"
        columns: list[DerivedColumn] = Field(
            default=[],
            max_length=200,
            description="Further columns.",
            json_schema_extra={"x-widget": "table"},
        )

        @model_validator(mode="after")
        def _says_what_to_make(self) -> Self:
            if (self.column is None) != (self.expression is None):
                raise ValueError("column and expression belong together")
            if self.column is None and not self.columns:
                raise ValueError("give a column and its expression, or columns")
            return self

        def all_columns(self) -> list[tuple[Loc, DerivedColumn]]:
            """Every column with the place of its parameters."""
            found: list[tuple[Loc, DerivedColumn]] = []
            if self.column is not None and self.expression is not None:
                own = DerivedColumn(
                    column=self.column, expression=self.expression, type=self.type, on_error=self.on_error
                )
                found.append(((), own))
            return found + [(("columns", at), column) for at, column in enumerate(self.columns)]

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._made: list[tuple[DerivedColumn, Typed]] = []

    def columns_out(self, columns: Columns) -> Columns:
        faults, made = Faults(), list[tuple[DerivedColumn, Typed]]()
        for loc, derived in self.params.all_columns():
            with faults.inside():
                node = _checked(derived, columns, (*loc, "expression"))
                made.append((derived, node))
                columns = columns.with_column(_column(derived, node, columns))
        faults.complain()
        self._made = made
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _expressions
        from services.etl.pipeline import frames
        from services.etl.pipeline.expression_running import settled

        for derived, node in self._made:
            value = _expressions.evaluated(node, frame, context)
            if derived.on_error == "null":
                array = settled(value)
            else:
                frame, array = _expressions.reject_failed(
                    frame, value, context, column=derived.column, expected=str(node.type)
                )
            frame = frames.with_column(frame, derived.column, array)
        return frame


def _checked(derived: DerivedColumn, columns: Columns, loc: Loc) -> Typed:
    node = expression.checked(derived.expression, columns, wanted=derived.type, loc=loc)
    if node.type is None:
        raise ExpressionInvalid(loc=(*loc, 0), position=1, reason="it is always NULL: say of which type")
    return node


def _column(derived: DerivedColumn, node: Typed, columns: Columns) -> Column:
    assert node.type is not None  # as _checked gives it
    nullable = derived.on_error == "null" or expression.can_be_null(node, columns)
    return Column(name=derived.column, type=node.type, nullable=nullable)
