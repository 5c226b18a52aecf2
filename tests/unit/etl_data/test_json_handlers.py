"""Taking JSON apart into columns and rows, on small frames."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from services.etl.handlers.explode_json import ExplodeJson
from services.etl.handlers.flatten_json import FlattenJson
from tests.unit.etl_data.handling import codes, columns, faults, worked

GIVEN = columns(j="json", t="text", n="int64")


def flattened(texts: Sequence[str | None], kind: str = "text", path: str = "a", **params: Any) -> Any:
    handler = FlattenJson.of(
        {"column": "j", "fields": [{"path": path, "column": "v", "type": kind}], "keep": False, **params}
    )
    rows, context = worked(handler, columns(j="text"), [{"j": text} for text in texts])
    return [row["v"] for row in rows], codes(context)


class TestFlattenJson:
    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            ("text", '"x"', "x"),
            ("text", "1.50", "1.50"),
            ("text", '{"b": [1.50, null]}', '{"b":[1.50,null]}'),
            ("json", '"x"', '"x"'),
            ("json", "[1]", "[1]"),
            ("int64", "9223372036854775807", 2**63 - 1),
            ("int64", '"12"', 12),
            ("decimal(38,18)", "12345678901234567890.123456789012345678",
             Decimal("12345678901234567890.123456789012345678")),
            ("boolean", "true", True),
            ("timestamptz", '"2026-01-01T00:00:00+01:00"', datetime(2025, 12, 31, 23, tzinfo=UTC)),
            ("text", '""', ""),
            ("text", "null", None),
        ],
    )  # fmt: skip
    def test_a_value_keeps_all_that_it_is(self, kind: str, text: str, value: Any) -> None:
        assert flattened([f'{{"a": {text}}}'], kind) == ([value], [])

    def test_nothing_there_is_null_or_rejected_and_null_is_null(self) -> None:
        texts = ["{}", '{"a": null}', None, "[1]", '{"a": 1}']
        assert flattened(texts)[0] == [None, None, None, None, "1"]
        assert flattened(texts, missing="reject") == (
            [None, None, "1"],
            [(1, "j", None, "path_missing"), (4, "j", None, "path_missing")],
        )

    def test_what_does_not_fit_is_rejected_or_null(self) -> None:
        texts = ['{"a": "x"}', '{"a": [1]}', '{"a": 1.5}', '{"a": true}', '{"a": 1}']
        values, bad = flattened(texts, "int64")
        assert values == [1]
        assert [(record, value, code) for record, _, value, code in bad] == [
            (1, "x", "not_an_integer"),
            (2, "[1]", "nested"),
            (3, "1.5", "not_an_integer"),
            (4, "true", "not_an_integer"),
        ]
        assert flattened(texts, "int64", on_error="null") == ([None, None, None, None, 1], [])

    def test_what_is_no_json_is_rejected(self) -> None:
        texts = ["{", "", "NaN", '"\\ud800"', "[" * 5000, '{"a": "\\u0000"}', '{"a": 1}']
        values, bad = flattened(texts)
        assert (values, [row[3] for row in bad]) == (["1"], ["not_json"] * 6)

    def test_the_column_itself_may_be_replaced(self) -> None:
        handler = FlattenJson.of(
            {"column": "j", "fields": [{"path": "$", "column": "j", "type": "json"}], "keep": False}
        )
        assert worked(handler, columns(j="json"), [{"j": ' {"a" : 1.0} '}])[0] == [{"j": '{"a":1.0}'}]

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({"column": "n"}, [("column",)]),
            ({"column": "z"}, [("column",)]),
            ({"fields": [{"path": "a..b", "column": "v"}]}, [("fields", 0, "path")]),
            (
                {"fields": [{"path": "a", "column": "v"}, {"path": "b", "column": "v"}]},
                [("fields", 1, "column")],
            ),
            ({"fields": [{"path": "a", "column": "t"}]}, [("fields", 0, "column")]),
        ],
    )
    def test_what_can_not_be_taken_out_is_named(self, params: Any, places: Any) -> None:
        fields = [{"path": "a", "column": "v"}]
        assert faults(FlattenJson, {"column": "j", "fields": fields, **params}, GIVEN) == places


class TestExplodeJson:
    ROWS = (
        {"n": 1, "j": "[1, 2.50, null]"},
        {"n": 2, "j": "[]"},
        {"n": 3, "j": None},
        {"n": 4, "j": "null"},
        {"n": 5, "j": '[{"a": 1}]'},
        {"n": 6, "j": "{}"},
        {"n": 7, "j": "[1,1,1,1]"},
        {"n": 8, "j": "["},
    )

    def exploded(self, **params: Any) -> Any:
        handler = ExplodeJson.of({"column": "j", "into": "v", "max_elements": 3, **params})
        rows, context = worked(handler, columns(n="int64", j="text"), list(self.ROWS))
        return [tuple(row.values()) for row in rows], context

    def test_each_element_becomes_a_row(self) -> None:
        rows, context = self.exploded(position="p")
        full = [(1, "1", 1), (1, "2.50", 2), (1, None, 3)]
        assert rows == [*full, (2, None, None), (3, None, None), (4, None, None), (5, '{"a":1}', 1)]
        assert (context.added_rows, context.filtered_rows) == (2, 0)
        assert sorted(row[0::3] for row in codes(context)) == [
            (6, "not_an_array"),
            (7, "too_many_elements"),
            (8, "not_json"),
        ]

    def test_rows_without_an_element_may_go(self) -> None:
        rows, context = self.exploded(empty="drop")
        assert [row[0] for row in rows] == [1, 1, 1, 5]
        assert (context.added_rows, context.filtered_rows) == (2, 3)

    def test_an_array_with_an_element_of_another_type_is_rejected_as_a_whole(self) -> None:
        rows, context = self.exploded(type="int64", empty="drop")
        assert rows == []
        assert [row[0::3] for row in codes(context)][-4:] == [
            (1, "not_an_integer"),
            (1, "not_an_integer"),
            (1, "not_an_integer"),
            (5, "nested"),
        ]

    @pytest.mark.parametrize(
        ("params", "places"),
        [
            ({"column": "n"}, [("column",)]),
            ({"into": "n"}, [("into",)]),
            ({"position": "v"}, [("position",)]),
        ],
    )
    def test_what_can_not_be_exploded_is_named(self, params: Any, places: Any) -> None:
        assert faults(ExplodeJson, {"column": "j", "into": "v", **params}, GIVEN) == places
