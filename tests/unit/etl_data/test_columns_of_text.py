"""Dropping, merging and splitting columns, on small frames."""

from typing import Any

import pytest

from services.etl.handlers.drop_columns import DropColumns
from services.etl.handlers.merge_columns import MergeColumns
from services.etl.handlers.split_column import SplitColumn
from tests.unit.etl_data.handling import Row, codes, columns, faults, worked

TEXTS = columns(a="text", b="varchar(5)", n="decimal(5,2)", raw="bytes")


class TestDropColumns:
    def test_columns_go(self) -> None:
        assert worked(DropColumns.of({"columns": ["a"]}), columns(a="text", self="text"), [{"self": "x"}])[
            0
        ] == [{"self": "x"}]

    def test_a_column_that_is_not_there_is_no_error_when_that_is_allowed(self) -> None:
        handler = DropColumns.of({"columns": ["x", "a"], "missing": "ignore"})
        assert worked(handler, columns(a="text", b="text"), [{"a": "1", "b": "2"}])[0] == [{"b": "2"}]

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({"columns": ["x", "a", "y"]}, [("columns", 0), ("columns", 2)]),
            ({"columns": ["a", "b", "n", "raw"]}, [("columns",)]),
        ],
    )
    def test_what_can_not_be_dropped_is_named(self, params: Any, places: Any) -> None:
        assert faults(DropColumns, params, TEXTS) == places


class TestMergeColumns:
    ROWS: tuple[Row, ...] = (
        {"a": "x", "b": "y", "n": 1},
        {"a": None, "b": "y", "n": 2},
        {"a": "", "b": None, "n": None},
        {},
    )

    @pytest.mark.parametrize(
        ("params", "merged"),
        [
            ({"columns": ["a", "b"], "separator": "-"}, ["x-y", "y", "", None]),
            ({"columns": ["a", "b"], "separator": "-", "null": "null"}, ["x-y", None, None, None]),
            ({"columns": ["n", "a"], "separator": ""}, ["1.00x", "2.00", "", None]),
            ({"template": "{{{a}}} {n}"}, ["{x} 1.00", "{} 2.00", "{} ", None]),
            ({"template": "{a}{a}", "null": "null"}, ["xx", None, "", None]),
        ],
    )
    def test_values_are_joined(self, params: Any, merged: list[str | None]) -> None:
        rows, _ = worked(MergeColumns.of({**params, "into": "m"}), TEXTS, self.ROWS)
        assert [row["m"] for row in rows] == merged

    def test_the_columns_may_go_and_one_of_them_may_take_the_text(self) -> None:
        handler = MergeColumns.of({"columns": ["a", "b"], "into": "b", "keep": False})
        rows, _ = worked(handler, columns(a="text", b="text", c="text"), [{"a": "x", "b": "y", "c": "z"}])
        assert rows == [{"b": "x y", "c": "z"}]

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({}, [("columns",)]),
            ({"columns": ["a"], "template": "{a}"}, [("columns",)]),
            ({"columns": ["a", "z", "raw"]}, [("columns", 1), ("columns", 2)]),
            ({"columns": ["a"], "into": "n"}, [("into",)]),
            ({"template": "{z}"}, [("template",)]),
            ({"template": "{a"}, [("template",)]),
            ({"template": "a}"}, [("template",)]),
            ({"template": "a"}, [("template",)]),
            ({"template": "{a}\x00"}, [("template",)]),
        ],
    )
    def test_what_can_not_be_joined_is_named(self, params: Any, places: Any) -> None:
        assert faults(MergeColumns, {"into": "m", **params}, TEXTS) == places


class TestSplitColumn:
    def parts(self, texts: list[str | None], **params: Any) -> tuple[list[Any], list[Any]]:
        handler = SplitColumn.of({"column": "a", "into": ["p", "q"], "keep": False, **params})
        rows, context = worked(handler, columns(a="text"), [{"a": text} for text in texts])
        return [(row["p"], row["q"]) for row in rows], codes(context)

    def test_by_a_delimiter(self) -> None:
        texts = ["x;y", "x", "", None, "x;y;z", ";"]
        assert self.parts(texts, delimiter=";") == (
            [("x", "y"), ("x", None), ("", None), (None, None), ("", "")],
            [(5, "a", "x;y;z", "too_many_parts")],
        )

    @pytest.mark.parametrize(
        ("params", "parts"),
        [
            ({"too_many": "keep_rest"}, [("x", "y,z"), ("x", None)]),
            ({"too_many": "drop"}, [("x", "y"), ("x", None)]),
            ({"too_many": "drop", "too_few": "reject"}, [("x", "y")]),
            ({"by": "pattern", "pattern": "(.),(.)"}, [("x", "y"), (None, None)]),
            ({"by": "pattern", "pattern": "^(?:x)()|(z)"}, [("", None), ("", None)]),
            ({"by": "widths", "widths": [1, 2], "too_many": "drop"}, [("x", ",y"), ("x", None)]),
            ({"by": "widths", "widths": [1, 2], "too_many": "keep_rest"}, [("x", ",y,z"), ("x", None)]),
        ],
    )
    def test_the_ways_and_what_becomes_of_other_numbers_of_parts(self, params: Any, parts: Any) -> None:
        assert self.parts(["x,y,z", "x"], **params)[0] == parts

    def test_widths_are_characters(self) -> None:
        assert self.parts(["日本語"], by="widths", widths=[1, 2])[0] == [("日", "本語")]

    def test_parts_may_be_trimmed(self) -> None:
        assert self.parts([" x , y "], trim=True)[0] == [("x", "y")]

    def test_a_text_that_is_no_match_has_too_few_parts(self) -> None:
        params = {"by": "pattern", "pattern": "(a)(b)", "too_few": "reject"}
        assert self.parts(["ab", "b", None], **params) == (
            [("a", "b"), (None, None)],
            [(2, "a", "b", "too_few_parts")],
        )

    def test_the_column_itself_may_take_a_part(self) -> None:
        handler = SplitColumn.of({"column": "a", "into": ["b", "a"], "keep": False})
        assert worked(handler, columns(a="text"), [{"a": "1,2"}])[0] == [{"b": "1", "a": "2"}]

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({"column": "z"}, [("column",)]),
            ({"column": "n"}, [("column",)]),
            ({"into": ["a", "p", "p"]}, [("into", 0), ("into", 2)]),
            ({"by": "widths", "widths": [1]}, [("widths",)]),
            ({"by": "widths", "widths": [1, 0]}, [("widths",)]),
            ({"by": "pattern"}, [("pattern",)]),
            ({"by": "pattern", "pattern": "(a)"}, [("pattern",)]),
            ({"by": "pattern", "pattern": "(a)(?=b)"}, [("pattern",)]),
        ],
    )
    def test_what_can_not_be_split_is_named(self, params: Any, places: Any) -> None:
        assert faults(SplitColumn, {"column": "a", "into": ["p", "q"], **params}, TEXTS) == places
