"""Keep the rows that fulfil a condition."""

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator, model_validator

from services.etl.columns import Columns
from services.etl.handlers._base import Handler
from services.etl.handlers.derive_column import ExpressionText
from services.etl.pipeline import conditions, expression
from services.etl.pipeline.context import Context
from services.etl.pipeline.expression_types import Typed

if TYPE_CHECKING:
    from pandas import DataFrame


class FilterRows(Handler):
    """Keep the rows that fulfil a condition.

    The condition is a tree of comparisons joined by and, or, not; or an expression that is true or false.
    What is neither, as a comparison with NULL, is not true, so its row goes unless the condition asks for
    `is_null`. Rows that go are counted as filtered. Rows for which an expression can't be computed are
    rejected.
    """

    name = "filter_rows"
    examples = (
        {"condition": {"op": "is_not_null", "column": "dep_time"}},
        {
            "condition": {
                "op": "and",
                "conditions": [
                    {"op": "ge", "column": "distance", "value": 100},
                    {"op": "not", "condition": {"op": "in", "column": "origin", "values": ["JFK", "LGA"]}},
                ],
            }
        },
        {"expression": "distance >= 100 and lower(origin) not in ('jfk', 'lga')"},
    )

    class Params(Handler.Params):
        condition: conditions.Condition | None = Field(
            default=None, description="Rows for which it is true stay."
        )
        expression: ExpressionText | None = Field(
            default=None, description="Rows for which it is true stay; instead of a condition."
        )

        @field_validator("condition", mode="before")
        @classmethod
        def _small_enough(cls, value: Any) -> Any:
            return conditions.check_size(value)

        @model_validator(mode="after")
        def _one_of_both(self) -> Self:
            if (self.condition is None) == (self.expression is None):
                raise ValueError("give either a condition or an expression")
            return self

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY
        self._expression: Typed | None = None

    def columns_out(self, columns: Columns) -> Columns:
        if self.params.condition is not None:
            conditions.check(self.params.condition, columns, loc=("condition",))
        if self.params.expression is not None:
            text = self.params.expression
            self._expression = expression.checked_condition(text, columns, loc=("expression",))
        self._columns = columns
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _expressions
        from services.etl.pipeline import condition_masks, frames

        if self._expression is not None:
            value = _expressions.evaluated(self._expression, frame, context)
            frame, mask = _expressions.reject_failed(frame, value, context)
        else:
            assert self.params.condition is not None  # one of both, as the parameters say
            used = conditions.columns_of(self.params.condition)
            arrays = {name: frames.arrow_column(frame, name) for name in used}
            mask = condition_masks.mask(self.params.condition, self._columns, arrays)
        kept = frames.keep_rows(frame, mask)
        context.filtered(len(frame) - len(kept))
        return kept
