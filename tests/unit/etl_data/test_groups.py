"""What aggregate and pivot make of groups, on small tables."""

from decimal import Decimal
from typing import Any

import pytest

from services.etl.handlers.aggregate import Aggregate
from services.etl.handlers.pivot import Pivot
from services.etl.pipeline.duck_errors import ResultTooLarge
from services.etl.pipeline.step import ParamsInvalid
from shared.errors import PenstockError
from tests.unit.etl_data.whole_tables import GIVEN, ROWS, Result, Run, columns, pieces, places


def aggregated(*parts: tuple[str, str | None], by: list[str] | None = None) -> Result:
    made = [
        {"function": function, "into": f"r{at}", **({"column": name} if name else {})}
        for at, (function, name) in enumerate(parts)
    ]
    result = Run().of(Aggregate.of({"group_by": by or [], "aggregates": made}), GIVEN, ROWS)
    assert result.adds_up
    return result


class TestAggregate:
    def test_groups_come_in_the_order_of_their_first_rows_and_have_their_records(self) -> None:
        result = aggregated(("count", None), ("count", "d"), ("count_distinct", "b"), by=["a"])
        assert [tuple(row.values()) for row in result.rows] == [(1, 2, 2, 1), (2, 2, 1, 2), (None, 1, 1, 1)]
        assert (result.records, result.lines) == ([1, 2, 4], [10, 20, 40])
        assert result.context.merged_rows == 2

    def test_a_group_of_rows_in_another_order_has_the_smallest_record(self) -> None:
        handler = Aggregate.of({"group_by": ["a"]})
        given = [piece for piece in pieces(GIVEN, ROWS, size=1) if piece.records[0] != 4]
        result = Run(given=iter(given[::-1])).of(handler, GIVEN, ROWS)
        assert (result.rows, result.records) == ([{"a": 2}, {"a": 1}], [2, 1])
        assert result.lines == [20, 10]

    def test_sums_and_means_are_exact(self) -> None:
        (row,) = aggregated(("sum", "a"), ("avg", "a"), ("sum", "d"), ("avg", "d")).rows
        assert row == {
            "r0": 6, "r1": Decimal("1.500000"), "r2": Decimal("4.76"), "r3": Decimal("1.19000000")
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("kind", "values", "total", "mean"),
        [
            ("int64", [2**63 - 1] * 3, ("decimal(38,0)", 3 * (2**63 - 1)), "9223372036854775807.000000"),
            ("int16", [-1, -1, 1], ("int64", -1), "-0.333333"),
            ("int16", [2, 2, 1], ("int64", 5), "1.666667"),
            ("decimal(1,0)", [-1, 0, 0, 0, 0, 0, 0], ("decimal(38,0)", -1), "-0.142857"),
            ("decimal(38,35)", ["-1e-35"] + ["0"] * 15, ("decimal(38,35)", "-1e-35"), "-63e-38"),
            ("decimal(38,35)", ["0.1" + "0" * 33 + "1"] * 3,
             ("decimal(38,35)", "0.3" + "0" * 33 + "3"), "0.1" + "0" * 33 + "1000"),
        ],
    )  # fmt: skip
    def test_what_they_give_is_wide_enough(self, kind: str, values: Any, total: Any, mean: str) -> None:
        parts = [{"function": name, "column": "v", "into": name} for name in ("sum", "avg")]
        rows = [{"v": Decimal(value)} if "decimal" in kind else {"v": value} for value in values]
        result = Run().of(Aggregate.of({"aggregates": parts}), columns(v=kind), rows)
        assert str(result.columns.get("sum").type) == total[0]
        assert result.rows == [{"sum": Decimal(total[1]), "avg": Decimal(mean)}]

    @pytest.mark.parametrize("values", [[Decimal("9" * 38)] * 2, [Decimal("9" * 38), Decimal("6" * 38)]])
    def test_a_sum_beyond_38_digits_fails(self, values: list[Decimal]) -> None:
        parts = [{"function": "sum", "column": "v", "into": "s"}]
        with pytest.raises(ResultTooLarge):
            Run().of(
                Aggregate.of({"aggregates": parts}), columns(v="decimal(38,0)"), [{"v": v} for v in values]
            )

    @pytest.mark.parametrize(
        ("kind", "values"), [("float64", [1e308] * 2), ("decimal(38,4)", [Decimal("9" * 34)] * 2)]
    )
    def test_a_mean_that_no_number_can_hold_fails(self, kind: str, values: list[Any]) -> None:
        parts = [{"function": name, "column": "v", "into": name} for name in ("avg", "sum")]
        with pytest.raises(ResultTooLarge):
            Run().of(Aggregate.of({"aggregates": parts}), columns(v=kind), [{"v": v} for v in values])

    def test_first_last_least_and_greatest_leave_nulls_out(self) -> None:
        parts = [("first", "b"), ("last", "b"), ("min", "b"), ("max", "d"), ("string_agg", "b")]
        rows = aggregated(*parts, by=["a"]).rows
        assert [tuple(row.values())[1:] for row in rows] == [
            ("x", "x", "x", Decimal("1.10"), "x"), ("Z", "a", "Z", Decimal("0.01"), "Z, a"),
            ("é", "é", "é", Decimal("7.00"), "é"),
        ]  # fmt: skip

    def test_flags_are_joined(self) -> None:
        rows = aggregated(("bool_and", "z"), ("bool_or", "z"), by=["a"]).rows
        assert [tuple(row.values())[1:] for row in rows] == [(True, True), (False, True), (True, True)]

    def test_a_separator_is_a_text_and_no_sql(self) -> None:
        part = {"function": "string_agg", "column": "b", "into": "s", "separator": "') FROM x; --\\'"}
        (row,) = Run().of(Aggregate.of({"aggregates": [part]}), GIVEN, ROWS[:2]).rows
        assert row == {"s": "x') FROM x; --\\'Z"}

    def test_no_rows_make_no_group(self) -> None:
        handler = Aggregate.of({"aggregates": [{"function": "count", "into": "n"}]})
        assert Run().of(handler, GIVEN, []).rows == []

    def test_what_can_not_work_is_refused_with_every_place(self) -> None:
        handler = Aggregate.of(
            {
                "group_by": ["q"],
                "aggregates": [
                    {"function": "sum", "column": "b", "into": "s"},
                    {"function": "max", "column": "z", "into": "m"},
                    {"function": "count", "into": "n"},
                    {"function": "count", "into": "n"},
                ],
            }
        )
        with pytest.raises(PenstockError) as raised:
            handler.columns_out(GIVEN)
        assert places(raised) == [
            ("group_by", 0),
            ("aggregates", 0, "column"),
            ("aggregates", 1, "column"),
            ("aggregates", 3, "into"),
        ]

    @pytest.mark.parametrize("params", [{}, {"aggregates": [{"function": "sum", "into": "s"}]}])
    def test_what_makes_no_result_is_refused(self, params: Any) -> None:
        with pytest.raises(ParamsInvalid):
            Aggregate.of(params)


class TestPivot:
    def handler(self, **params: Any) -> Pivot:
        values = [{"value": "x", "into": "X"}, {"value": "a", "into": "A"}]
        return Pivot.of({"group_by": ["a"], "column": "b", "values": values, "of": "d", **params})

    def test_each_value_becomes_a_column_and_other_values_count_for_none(self) -> None:
        result = Run().of(self.handler(function="sum"), GIVEN, ROWS)
        assert [tuple(row.values()) for row in result.rows] == [
            (1, Decimal("1.10"), None), (2, None, Decimal("0.01")), (None, None, None)
        ]  # fmt: skip
        assert (result.records, result.adds_up) == ([1, 2, 4], True)
        assert [str(column.type) for column in result.columns] == ["int32", *["decimal(38,2)"] * 2]

    def test_counts_of_nothing_are_zero(self) -> None:
        result = Run().of(self.handler(function="count"), GIVEN, ROWS)
        assert [tuple(row.values()) for row in result.rows] == [(1, 1, 0), (2, 0, 1), (None, 0, 0)]
        assert [column.nullable for column in result.columns] == [True, False, False]

    @pytest.mark.parametrize(
        ("values", "place"),
        [
            ([{"value": 1, "into": "x"}], ("values", 0, "value")),
            ([{"value": "x", "into": "x"}, {"value": "x", "into": "y"}], ("values", 1, "value")),
            ([{"value": "x", "into": "x"}, {"value": "y", "into": "x"}], ("values", 1, "into")),
            ([{"value": "x", "into": "a"}], ("values", 0, "into")),
        ],
    )
    def test_what_can_not_work_is_refused_with_its_place(self, values: Any, place: Any) -> None:
        with pytest.raises(PenstockError) as raised:
            self.handler(values=values, function="sum").columns_out(GIVEN)
        assert places(raised) == [place]
