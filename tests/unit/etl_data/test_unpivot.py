"""Columns as rows, on small frames."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.etl.handlers.cast_types import CastTypes
from services.etl.handlers.unpivot import Unpivot
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from tests.unit.etl_data.handling import codes, columns, faults, worked

GIVEN = columns(k="text", a="int64", b="int64", c="int32")


def test_each_column_becomes_a_row_and_the_others_are_repeated() -> None:
    handler = Unpivot.of({"columns": ["b", "a"]})
    rows, context = worked(
        handler, columns(k="text", a="int64", b="int64"), [{"k": "x", "a": 1}, {"b": 2**62}]
    )
    assert [tuple(row.values()) for row in rows] == [
        ("x", "b", None), ("x", "a", 1), (None, "b", 2**62), (None, "a", None),
    ]  # fmt: skip
    assert context.added_rows == 2


def test_rows_without_a_value_may_go() -> None:
    handler = Unpivot.of({"columns": ["a", "b"], "nulls": "drop", "name_into": "a"})
    rows, context = worked(handler, columns(a="int64", b="int64"), [{"a": 1}, {}])
    assert (rows, context.added_rows, context.filtered_rows) == ([{"a": "a", "value": 1}], 2, 3)


def test_a_table_without_rows_has_none_afterwards() -> None:
    assert worked(Unpivot.of({"columns": ["a", "b"]}), columns(a="text", b="text"), [])[0] == []


def test_a_row_that_is_rejected_later_takes_the_others_of_its_record_with_it() -> None:
    given, unpivot = columns(a="text", b="text"), Unpivot.of({"columns": ["a", "b"]})
    after = unpivot.columns_out(given)
    batch = pa.RecordBatch.from_pylist(
        [{"a": "1", "b": "x"}, {"a": "2", "b": "3"}], schema=arrow_schema(given)
    )
    longer = unpivot.apply(frames.to_frame(batch, np.array([7, 8])), Context(step="unpivot"))
    cast, context = CastTypes.of({"columns": [{"column": "value", "type": "int64"}]}), Context(step="cast")
    announced = cast.columns_out(after)
    result = frames.normalised(cast.apply(longer, context), announced, within=longer, step="cast")
    assert list(result.index) == [8, 8]
    assert codes(context) == [(7, "value", "x", "not_an_integer")] * 2


@pytest.mark.parametrize(
    ("params", "places"),
    [
        ({"columns": ["a", "z"]}, [("columns", 1)]),
        ({"columns": ["a", "c", "k"]}, [("columns", 1), ("columns", 2)]),
        ({"columns": ["a"], "name_into": "k"}, [("name_into",)]),
        ({"columns": ["a"], "value_into": "name"}, [("value_into",)]),
    ],
)
def test_what_can_not_become_rows_is_named(params: Any, places: Any) -> None:
    assert faults(Unpivot, params, GIVEN) == places
