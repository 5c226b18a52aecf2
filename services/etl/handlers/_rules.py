"""Rules over the frames that handlers see: which rows break them."""

from typing import TYPE_CHECKING

from services.etl.columns import Columns
from services.etl.pipeline import condition_masks, conditions, frames
from services.etl.pipeline.expression_values import Problem, Value, truths

if TYPE_CHECKING:
    from pandas import DataFrame


def by_condition(condition: conditions.Condition, columns: Columns, frame: "DataFrame") -> Value:
    """Whether a condition is true, false or NULL for each row."""
    arrays = {name: frames.arrow_column(frame, name) for name in conditions.columns_of(condition)}
    return Value(condition_masks.mask(condition, columns, arrays))


def judged(value: Value, reason: str, *, keeps_unknown: bool) -> Value:
    """The same with a problem in the rows that break the rule, after those in which it can't be computed."""
    broken = ~truths(value.array, unknown=keeps_unknown)
    if not broken.any():
        return value
    return Value(value.array, (*value.problems, Problem(broken, "rule_failed", reason)))
