"""Keep the rows that fulfil a condition."""

from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from services.etl.columns import Columns
from services.etl.handlers._base import Handler
from services.etl.pipeline import conditions
from services.etl.pipeline.context import Context

if TYPE_CHECKING:
    from pandas import DataFrame


class FilterRows(Handler):
    """Keep the rows that fulfil a condition.

    The condition is a tree of comparisons joined by and, or, not. A comparison with NULL is not true, so
    its row goes unless the condition asks for `is_null`. Rows that go are counted as filtered.
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
    )

    class Params(Handler.Params):
        condition: conditions.Condition = Field(description="Rows for which it is true stay.")

        @field_validator("condition", mode="before")
        @classmethod
        def _small_enough(cls, value: Any) -> Any:
            return conditions.check_size(value)

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY

    def columns_out(self, columns: Columns) -> Columns:
        conditions.check(self.params.condition, columns, loc=("condition",))
        self._columns = columns
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.pipeline import condition_masks, frames

        arrays = {name: frames.arrow_column(frame, name) for name in self._used()}
        kept = frames.keep_rows(frame, condition_masks.mask(self.params.condition, self._columns, arrays))
        context.filtered(len(frame) - len(kept))
        return kept

    def _used(self) -> set[str]:
        return conditions.columns_of(self.params.condition)
