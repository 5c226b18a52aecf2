"""Reject rows that break a rule."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from services.etl.columns import Columns
from services.etl.handlers._base import Handler
from services.etl.handlers._faults import Faults
from services.etl.handlers.derive_column import ExpressionText
from services.etl.pipeline import conditions, expression
from services.etl.pipeline.context import Context
from services.etl.pipeline.expression_types import Typed
from shared.errors import Loc, Terminal

if TYPE_CHECKING:
    from pandas import DataFrame

RuleName = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00]+$")]


class RuleBroken(Terminal):
    """Record {record} breaks the rule {rule!r}: it {reason}."""


class Rule(BaseModel):
    """A rule: its name, what must be true, and what is said of rows for which it isn't."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: RuleName = Field(description="Its name, in the rejected rows.")
    expression: ExpressionText | None = Field(default=None, description="What must be true.")
    condition: conditions.Condition | None = Field(
        default=None, description="What must be true, instead of an expression."
    )
    message: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="The reason, for people, of rows that break it.",
    )

    @field_validator("condition", mode="before")
    @classmethod
    def _small_enough(cls, value: Any) -> Any:
        return conditions.check_size(value)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.condition is None) == (self.expression is None):
            raise ValueError("give either an expression or a condition")
        return self

    @property
    def reason(self) -> str:
        """What the rejects say of a row that breaks it."""
        return self.message or f"breaks the rule {self.name!r}"


class ValidateRows(Handler):
    """Reject rows that break a rule, or fail the run.

    A row is rejected with the first rule that it breaks: the code is `rule_failed`, what was expected is the
    rule's name. A rule that is neither true nor false, because it compares with NULL, is kept, as with CHECK
    constraints of databases; set `unknown` to break it. Rows for which an expression can't be computed are
    rejected with its reason.
    """

    name = "validate_rows"
    examples = (
        {"rules": [{"name": "distance is positive", "expression": "distance > 0", "message": "is too near"}]},
        {
            "rules": [
                {
                    "name": "known origin",
                    "condition": {"op": "in", "column": "origin", "values": ["JFK", "LGA"]},
                },
                {"name": "a carrier", "expression": "regex_matches(carrier, '^[0-9A-Z]{2}$')"},
            ],
            "unknown": "breaks",
        },
    )

    class Params(Handler.Params):
        rules: list[Rule] = Field(min_length=1, max_length=200, json_schema_extra={"x-widget": "rules"})
        on_fail: Literal["reject", "fail"] = Field(
            default="reject", description="Reject rows that break a rule, or fail the run at the first one."
        )
        unknown: Literal["keeps", "breaks"] = Field(
            default="keeps", description="Whether a rule that is neither true nor false is kept or broken."
        )

        @field_validator("rules")
        @classmethod
        def _named_once(cls, rules: list[Rule]) -> list[Rule]:
            if len({rule.name for rule in rules}) < len(rules):
                raise ValueError("two rules have one name")
            return rules

    params: Params

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._columns = Columns.EMPTY
        self._expressions: list[Typed | None] = []

    def columns_out(self, columns: Columns) -> Columns:
        faults, checked = Faults(), list[Typed | None]()
        for at, rule in enumerate(self.params.rules):
            with faults.inside():
                checked.append(_checked(rule, columns, ("rules", at)))
        faults.complain()
        self._columns, self._expressions = columns, checked
        return columns

    def apply(self, frame: "DataFrame", context: Context) -> "DataFrame":
        from services.etl.handlers import _expressions, _rules

        for rule, node in zip(self.params.rules, self._expressions, strict=True):
            if node is not None:
                value = _expressions.evaluated(node, frame, context)
                used = expression.columns_of(node)
            else:
                assert rule.condition is not None  # one of both, as the parameters say
                value = _rules.by_condition(rule.condition, self._columns, frame)
                used = conditions.columns_of(rule.condition)
            column = next(iter(used)) if len(used) == 1 else None
            value = _rules.judged(value, rule.reason, keeps_unknown=self.params.unknown == "keeps")
            frame, rejected = _expressions.taken_out(frame, value, column=column, expected=rule.name)
            if rejected and self.params.on_fail == "fail":
                first = rejected[0]
                raise RuleBroken(record=first.record, rule=rule.name, reason=first.reason)
            context.rejects(rejected)
        return frame


def _checked(rule: Rule, columns: Columns, loc: Loc) -> Typed | None:
    if rule.condition is not None:
        conditions.check(rule.condition, columns, loc=(*loc, "condition"))
        return None
    assert rule.expression is not None  # one of both, as the parameters say
    return expression.checked_condition(rule.expression, columns, loc=(*loc, "expression"))
