"""Steps that take expressions: what they make, keep and reject."""

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.handlers.derive_column import DeriveColumn
from services.etl.handlers.filter_rows import FilterRows
from services.etl.handlers.validate_rows import RuleBroken, ValidateRows
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from services.etl.pipeline.step import ParamsInvalid
from shared.errors import PenstockError

COLUMNS = Columns(
    Column(name=name, type=ColumnType.parse(kind))
    for name, kind in {"a": "int64", "b": "int64", "t": "text", "p": "decimal(10,2)"}.items()
)
ROWS = [
    {"a": 6, "b": 3, "t": "x", "p": Decimal("1.50")},
    {"a": 1, "b": 0, "t": "7", "p": Decimal("2.25")},
    {"a": None, "b": 2, "t": None, "p": None},
]


def applied(handler: Handler, records: list[int] | None = None) -> tuple[list[dict[str, Any]], Context]:
    """The rows after a step, checked as a run checks them."""
    context = Context(step=handler.name)
    after = handler.columns_out(COLUMNS)
    batch = pa.RecordBatch.from_pylist(ROWS, schema=arrow_schema(COLUMNS))
    frame = frames.to_frame(batch, np.array(records or [1, 2, 3]))
    result = frames.normalised(handler.apply(frame, context), after, within=frame, step=handler.name)
    assert len(frame) == len(result) + len(context.rejected) + context.filtered_rows
    return frames.to_batch(result, after)[0].to_pylist(), context


class TestDeriveColumn:
    def test_a_column_is_added_at_the_end_with_the_type_of_its_expression(self) -> None:
        handler = DeriveColumn.of({"column": "total", "expression": "p * b"})
        assert [str(column.type) for column in handler.columns_out(COLUMNS)][-1] == "decimal(30,2)"
        assert [row["total"] for row in applied(handler)[0]] == [Decimal("4.50"), Decimal("0.00"), None]

    def test_a_column_is_replaced_in_its_place_also_by_what_it_was(self) -> None:
        rows, _ = applied(DeriveColumn.of({"column": "a", "expression": "a + 1", "type": "int16"}))
        assert [next(iter(row)) for row in rows] == ["a"] * 3
        assert [row["a"] for row in rows] == [7, 2, None]

    def test_a_column_may_use_those_made_before_it(self) -> None:
        columns = [{"column": "y", "expression": "x + 1"}]
        rows, _ = applied(DeriveColumn.of({"column": "x", "expression": "b + 1", "columns": columns}))
        assert [row["y"] for row in rows] == [5, 2, 4]

    def test_a_row_that_fails_is_rejected_with_the_value_and_the_reason(self) -> None:
        rows, context = applied(DeriveColumn.of({"column": "t", "expression": "cast(t as int64)"}))
        assert [row["t"] for row in rows] == [7, None]
        (row,) = context.rejected
        assert (row.record, row.column, row.value, row.expected, row.code) == (
            1,
            "t",
            "x",
            "int64",
            "not_an_integer",
        )

    def test_a_value_that_fails_may_become_null(self) -> None:
        handler = DeriveColumn.of({"column": "q", "expression": "a / b", "on_error": "null"})
        assert handler.columns_out(COLUMNS).get("q").nullable
        assert [row["q"] for row in applied(handler)[0]] == [Decimal(2), None, None]

    def test_only_the_row_that_fails_goes_where_several_were_made_of_one_record(self) -> None:
        rows, context = applied(DeriveColumn.of({"column": "q", "expression": "10 / b"}), records=[5, 5, 5])
        assert len(rows) == 2
        assert [row.record for row in context.rejected] == [5]

    @pytest.mark.parametrize(
        ("params", "loc"),
        [
            ({"column": "x", "expression": "a +"}, ("expression", 3)),
            ({"columns": [{"column": "x", "expression": "a"}, {"column": "y", "expression": "q"}]},
             ("columns", 1, "expression", 0)),
            ({"column": "x", "expression": "null"}, ("expression", 0)),
            ({"column": "x", "expression": "t", "type": "bytes",
              "columns": [{"column": "y", "expression": "1 +"}]},
             ("columns", 0, "expression", 3)),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_told_with_its_place(self, params: dict[str, Any], loc: Any) -> None:
        with pytest.raises(PenstockError) as raised:
            DeriveColumn.of(params).columns_out(COLUMNS)
        assert [fault.loc for fault in raised.value.all_faults()] == [loc]

    @pytest.mark.parametrize(
        "params", [{}, {"column": "x"}, {"expression": "1"}, {"column": "x", "expression": ""}]
    )
    def test_a_column_and_its_expression_belong_together(self, params: dict[str, Any]) -> None:
        with pytest.raises(ParamsInvalid):
            DeriveColumn.of(params)


class TestFilterRows:
    def test_rows_stay_for_which_the_expression_is_true(self) -> None:
        rows, context = applied(FilterRows.of({"expression": "a > 1"}))
        assert ([row["a"] for row in rows], context.filtered_rows) == ([6], 2)

    def test_rows_for_which_it_can_not_be_computed_are_rejected(self) -> None:
        rows, context = applied(FilterRows.of({"expression": "a / b > 1"}))
        assert ([row["a"] for row in rows], context.filtered_rows) == ([6], 1)
        assert [(row.record, row.code) for row in context.rejected] == [(2, "division_by_zero")]

    @pytest.mark.parametrize(
        "params", [{}, {"expression": "a = 1", "condition": {"op": "is_null", "column": "a"}}]
    )
    def test_it_takes_a_condition_or_an_expression(self, params: dict[str, Any]) -> None:
        with pytest.raises(ParamsInvalid):
            FilterRows.of(params)

    def test_the_expression_must_be_true_or_false(self) -> None:
        with pytest.raises(PenstockError) as raised:
            FilterRows.of({"expression": "a + 1"}).columns_out(COLUMNS)
        assert raised.value.all_faults()[0].loc == ("expression", 0)


class TestValidateRows:
    RULES = (
        {"name": "big", "expression": "a > 1", "message": "is small"},
        {"name": "letters", "condition": {"op": "matches", "column": "t", "value": "^[a-z]+$"}},
        {"name": "both", "expression": "a + b < 100"},
    )

    def test_a_row_is_rejected_with_the_first_rule_that_it_breaks(self) -> None:
        rows, context = applied(ValidateRows.of({"rules": list(self.RULES)}))
        assert [row["a"] for row in rows] == [6, None]
        (row,) = context.rejected
        assert (row.record, row.column, row.value, row.expected) == (2, "a", "1", "big")
        assert (row.code, row.reason) == ("rule_failed", "is small")

    def test_a_rule_that_is_unknown_may_count_as_broken(self) -> None:
        rows, context = applied(ValidateRows.of({"rules": [self.RULES[1]], "unknown": "breaks"}))
        assert [row["t"] for row in rows] == ["x"]
        assert [(row.record, row.value) for row in context.rejected] == [(2, "7"), (3, None)]

    def test_what_can_not_be_computed_is_rejected_with_its_own_reason(self) -> None:
        _, context = applied(
            ValidateRows.of({"rules": [{"name": "n", "expression": "a / b > 9"}], "unknown": "breaks"})
        )
        assert [row.code for row in context.rejected] == ["rule_failed", "division_by_zero", "rule_failed"]

    def test_the_run_may_fail_instead(self) -> None:
        with pytest.raises(RuleBroken, match="Record 2 breaks the rule 'big': it is small"):
            applied(ValidateRows.of({"rules": [self.RULES[0]], "on_fail": "fail"}))

    def test_every_rule_that_is_wrong_is_named(self) -> None:
        rules = [
            {"name": "x", "expression": "q = 1"},
            {"name": "y", "expression": "a"},
            {"name": "z", "condition": {"op": "is_null", "column": "q"}},
        ]
        with pytest.raises(PenstockError) as raised:
            ValidateRows.of({"rules": rules}).columns_out(COLUMNS)
        assert [fault.loc for fault in raised.value.all_faults()] == [
            ("rules", 0, "expression", 0),
            ("rules", 1, "expression", 0),
            ("rules", 2, "condition", "column"),
        ]

    @pytest.mark.parametrize("rules", [[], [RULES[0], RULES[0]], [{"name": "x"}]])
    def test_rules_are_named_once_and_say_something(self, rules: list[Any]) -> None:
        with pytest.raises(ParamsInvalid):
            ValidateRows.of({"rules": rules})
