"""What each handler does, on small frames."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers.cast_types import CastTypes
from services.etl.handlers.column_mapping import ColumnMapping
from services.etl.handlers.fill_missing import FillMissing
from services.etl.handlers.filter_rows import FilterRows
from services.etl.handlers.select_columns import SelectColumns
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from services.etl.pipeline.errors import HandlerBroken
from services.etl.pipeline.step import ParamsInvalid
from shared.errors import PenstockError


def columns(**types: str) -> Columns:
    return Columns(
        Column(name=name, type=ColumnType.parse(kind.replace("_", ","))) for name, kind in types.items()
    )


def apply(handler: Any, given: Columns, rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], Context]:
    context = Context(step=handler.name)
    after = handler.columns_out(given)
    batch = pa.RecordBatch.from_pylist(rows, schema=arrow_schema(given))
    frame = frames.to_frame(batch, np.arange(1, len(rows) + 1))
    result = frames.normalised(handler.apply(frame, context), after, within=frame, step=handler.name)
    return frames.to_batch(result, after)[0].to_pylist(), context


class TestColumnMapping:
    def test_names_may_be_exchanged(self) -> None:
        handler = ColumnMapping.of({"mapping": {"a": "b", "b": "a"}})
        assert apply(handler, columns(a="int64", b="text"), [{"a": 1, "b": "x"}])[0] == [{"b": 1, "a": "x"}]

    def test_others_may_be_dropped(self) -> None:
        handler = ColumnMapping.of({"mapping": {"b": "c"}, "others": "drop"})
        assert apply(handler, columns(a="int64", b="text"), [{"a": 1, "b": "x"}])[0] == [{"c": "x"}]

    def test_two_columns_can_not_have_one_name(self) -> None:
        with pytest.raises(PenstockError) as raised:
            ColumnMapping.of({"mapping": {"a": "b"}}).columns_out(columns(a="int64", b="text"))
        assert raised.value.all_faults()[0].loc == ("mapping", "a")


class TestSelectColumns:
    def test_columns_come_in_the_order_given(self) -> None:
        handler = SelectColumns.of({"columns": ["b", "a"]})
        rows, _ = apply(handler, columns(a="int64", b="text", c="text"), [{"a": 1, "b": "x"}])
        assert list(rows[0]) == ["b", "a"]

    def test_every_unknown_column_is_named(self) -> None:
        with pytest.raises(PenstockError) as raised:
            SelectColumns.of({"columns": ["x", "a", "y"]}).columns_out(columns(a="int64"))
        assert [fault.loc for fault in raised.value.all_faults()] == [("columns", 0), ("columns", 2)]


class TestCastTypes:
    def test_a_row_that_does_not_fit_is_rejected_once_with_its_first_reason(self) -> None:
        handler = CastTypes.of(
            {"columns": [{"column": "a", "type": "int16"}, {"column": "b", "type": "decimal(5,2)"}]}
        )
        given = columns(a="text", b="text")
        rows, context = apply(handler, given, [{"a": " 7 ", "b": "1.5"}, {"a": "x", "b": "y"}, {}])
        assert rows == [{"a": 7, "b": Decimal("1.50")}, {"a": None, "b": None}]
        assert [(row.record, row.column, row.value, row.code) for row in context.rejected] == [
            (2, "a", "x", "not_an_integer")
        ]

    def test_a_value_that_does_not_fit_may_become_null(self) -> None:
        handler = CastTypes.of({"columns": [{"column": "a", "type": "date", "on_error": "null"}]})
        assert apply(handler, columns(a="text"), [{"a": "soon"}]) == (
            [{"a": None}],
            Context(step="cast_types"),
        )

    @pytest.mark.parametrize(
        ("cast", "place"),
        [
            ({"column": "a", "type": "uuid"}, "type"),
            ({"column": "m", "type": "timestamptz"}, "timezone"),
            ({"column": "z", "type": "int64"}, "column"),
            ({"column": "t", "type": "date", "format": "%Q"}, "format"),
        ],
    )
    def test_what_can_not_work_is_refused_with_its_place(self, cast: dict[str, str], place: str) -> None:
        with pytest.raises(PenstockError) as raised:
            CastTypes.of({"columns": [cast]}).columns_out(columns(a="int64", m="timestamp", t="text"))
        assert raised.value.all_faults()[0].loc == ("columns", 0, place)


class TestFillMissing:
    def test_null_is_filled_and_the_empty_text_is_not(self) -> None:
        handler = FillMissing.of({"values": {"a": "x", "n": "1.50"}})
        rows, _ = apply(handler, columns(a="text", n="decimal(5_2)"), [{}, {"a": "", "n": Decimal(2)}])
        assert rows == [{"a": "x", "n": Decimal("1.50")}, {"a": "", "n": Decimal("2.00")}]

    def test_filled_columns_are_not_nullable(self) -> None:
        after = FillMissing.of({"values": {"a": 1}}).columns_out(columns(a="int64", b="text"))
        assert [column.nullable for column in after] == [False, True]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [("int16", 40000), ("int64", "1"), ("decimal(5_2)", "1.005"), ("date", "31.1.2026"), ("boolean", 1),
         ("timestamptz", "2026-01-01T00:00:00"), ("varchar(2)", "abc"), ("float64", "1.5"), ("uuid", "x")],
    )  # fmt: skip
    def test_a_value_of_another_type_is_refused(self, kind: str, value: Any) -> None:
        with pytest.raises(PenstockError) as raised:
            FillMissing.of({"values": {"a": value}}).columns_out(columns(a=kind))
        assert raised.value.all_faults()[0].loc == ("values", "a")


A, B = {"op": "eq", "column": "a", "value": 1}, {"op": "contains", "column": "b", "value": "x"}


class TestFilterRows:
    ROWS = (
        {"a": 1, "b": "xy"}, {"a": 2, "b": "X"}, {"a": None, "b": "x"}, {"a": 1, "b": None},
    )  # fmt: skip

    @pytest.mark.parametrize(
        ("condition", "kept"),
        [
            (A, [0, 3]),
            ({"op": "ne", "column": "a", "value": 1}, [1]),
            ({"op": "not", "condition": A}, [1]),
            ({"op": "is_null", "column": "a"}, [2]),
            ({"op": "in", "column": "a", "values": [1, 7]}, [0, 3]),
            ({"op": "not_in", "column": "a", "values": [1, 7]}, [1]),
            ({"op": "and", "conditions": [A, B]}, [0]),
            ({"op": "or", "conditions": [A, B]}, [0, 2, 3]),
            ({"op": "not", "condition": {"op": "or", "conditions": [A, B]}}, [1]),
            ({"op": "contains", "column": "b", "value": "x", "case_sensitive": False}, [0, 1, 2]),
            ({"op": "matches", "column": "b", "value": "^x.?$"}, [0, 2]),
            ({"op": "ends_with", "column": "b", "value": "y"}, [0]),
            ({"op": "ge", "column": "a", "value": 2}, [1]),
        ],
    )
    def test_rows_for_which_it_is_true_stay(self, condition: Any, kept: list[int]) -> None:
        rows, context = apply(
            FilterRows.of({"condition": condition}), columns(a="int64", b="text"), list(self.ROWS)
        )
        assert rows == [self.ROWS[row] for row in kept]
        assert context.filtered_rows == len(self.ROWS) - len(kept)

    @pytest.mark.parametrize(
        ("condition", "place"),
        [
            ({"op": "eq", "column": "z", "value": 1}, ("column",)),
            ({"op": "eq", "column": "a", "value": "1"}, ("value",)),
            ({"op": "in", "column": "a", "values": [1, True]}, ("values", 1)),
            ({"op": "matches", "column": "b", "value": "(?=x)"}, ("value",)),
            ({"op": "matches", "column": "b", "value": "("}, ("value",)),
            ({"op": "matches", "column": "a", "value": "x"}, ("column",)),
            ({"op": "lt", "column": "j", "value": "{}"}, ("op",)),
            ({"op": "and", "conditions": [A, {"op": "not", "condition": {**A, "column": "q"}}]},
             ("conditions", 1, "condition", "column")),
        ],
    )  # fmt: skip
    def test_what_can_not_be_true_is_refused_with_its_place(self, condition: Any, place: Any) -> None:
        with pytest.raises(PenstockError) as raised:
            FilterRows.of({"condition": condition}).columns_out(columns(a="int64", b="text", j="json"))
        assert raised.value.all_faults()[0].loc == ("condition", *place)

    @pytest.mark.parametrize(
        "condition",
        [
            {"op": "eval", "code": "1"},
            {"op": "eq", "column": "a", "value": 1, "more": 1},
            {"op": "and", "conditions": []},
            {"op": "in", "column": "a", "values": []},
            "a == 1",
            None,
        ],
    )
    def test_what_is_no_condition_is_refused(self, condition: Any) -> None:
        with pytest.raises(ParamsInvalid):
            FilterRows.of({"condition": condition})

    def test_a_condition_too_deep_or_too_large_is_refused(self) -> None:
        deep: Any = A
        for _ in range(5000):
            deep = {"op": "not", "condition": deep}
        for tree in (deep, {"op": "or", "conditions": [A] * 501}):
            with pytest.raises(ParamsInvalid) as raised:
                FilterRows.of({"condition": tree})
            assert "20 levels" in str(raised.value)


class TestNormalising:
    GIVEN = columns(a="int64", b="text")

    def normalised(self, change: Any) -> Any:
        batch = pa.RecordBatch.from_pylist([{"a": 1, "b": "x"}], schema=arrow_schema(self.GIVEN))
        frame = frames.to_frame(batch, np.array([7]))
        return frames.normalised(change(frame), self.GIVEN, within=frame, step="x")

    def test_types_that_hold_the_values_are_cast_back(self) -> None:
        frame = self.normalised(lambda frame: frame.assign(a=np.array([2.0]), b=["y"]))
        assert frames.to_batch(frame, self.GIVEN)[0].to_pylist() == [{"a": 2, "b": "y"}]

    @pytest.mark.parametrize(
        "change",
        [
            lambda frame: frame.assign(a=[1.5]),
            lambda frame: frame.assign(a=["x"]),
            lambda frame: frame.assign(c=1),
            lambda frame: frame[["a"]],
            lambda frame: frame.reset_index(drop=True),
            lambda frame: pd.concat([frame, frame]),
        ],
    )
    def test_a_broken_contract_fails(self, change: Any) -> None:
        with pytest.raises(HandlerBroken):
            self.normalised(change)
