"""What every handler must do: found by discovery, tried on frames of the columns of its examples."""

import ast
import inspect
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from services.etl.pipeline.registry import steps
from services.etl.pipeline.step import ParamsInvalid
from shared.plugins.describe import describe

HANDLERS = sorted(steps().handlers.items())
EVERY_STEP = [*steps().loaders.values(), *steps().handlers.values(), *steps().destinations.values()]

COLUMNS = Columns(
    Column(name=name, type=ColumnType.parse(kind))
    for name, kind in {
        "year": "text",
        "day": "text",
        "dest": "text",
        "origin": "text",
        "carrier": "text",
        "flight": "int64",
        "note": "text",
        "tailnum": "text",
        "dep_time": "int32",
        "dep_delay": "int32",
        "distance": "int32",
        "time_hour": "timestamptz",
        "fare": "decimal(10,2)",
        "route": "text",
        "code": "varchar(20)",
        "place": "text",
        "status": "text",
        "phone": "text",
        "departure": "text",
        "seen": "int64",
        "card": "int64",
        "mail": "text",
        "customer": "text",
        "name": "text",
        "payload": "json",
        "items": "json",
        "labels": "text",
        "q1": "decimal(10,2)",
        "q2": "decimal(10,2)",
        "q3": "decimal(10,2)",
        "q4": "decimal(10,2)",
    }.items()
)
ROW: dict[str, Any] = {
    "year": "2013", "day": "01/02/2013", "dest": "LAX", "origin": "JFK", "carrier": "AA", "flight": 1,
    "note": "", "tailnum": None, "dep_time": 517, "dep_delay": None, "distance": 1400,
    "time_hour": pd.Timestamp("2013-01-01T05:00:00Z"), "fare": Decimal("99.90"),
    "route": "JFK-LAX", "code": "AB12", "place": "USNYC", "status": "a", "phone": "0049 30-1",
    "departure": "2026-07-01 12:00", "seen": 1_700_000_000_000, "card": 4111_1111, "mail": "a@example.org",
    "customer": "c1", "name": "n", "items": '[{"a": 1}, 2]', "labels": '["x"]',
    "payload": '{"customer": {"id": 1}, "items": [{"price": 1.50}], "tags": []}',
    "q1": Decimal("1.00"), "q2": None, "q3": Decimal(0), "q4": None,
}  # fmt: skip


def frame_of(rows: list[dict[str, Any]], *, first: int = 1) -> pd.DataFrame:
    batch = pa.RecordBatch.from_pylist(rows, schema=arrow_schema(COLUMNS))
    return frames.to_frame(batch, np.arange(first, first + len(rows)))


def rows_with_holes() -> list[dict[str, Any]]:
    holes = dict.fromkeys(ROW)
    more = {"distance": 5, "route": "A", "status": "z", "departure": "?", "payload": "{}", "items": "[]"}
    return [ROW, holes, ROW | {"year": "x", "day": "31/02/2013", "origin": "LGA"}, ROW, ROW | more]


def cases() -> list[Any]:
    return [
        pytest.param(handler, example, id=f"{name}-{number}")
        for name, handler in HANDLERS
        if issubclass(handler, Handler)
        for number, example in enumerate(handler.examples)
    ]


def applied(handler: Handler, frame: pd.DataFrame, context: Context) -> pd.DataFrame:
    after = handler.columns_out(COLUMNS)
    result, unique = handler.apply(frame, context), not handler.multiplies
    return frames.normalised(result, after, within=frame, step=handler.name, unique=unique)


@pytest.mark.parametrize("step", EVERY_STEP, ids=lambda step: step.name)
class TestDescription:
    def test_it_describes_itself_for_people_and_forms(self, step: Any) -> None:
        description = describe(step)
        assert description.summary.endswith(".")
        assert description.kind in {"loader", "handler", "destination"}
        assert description.params_schema["additionalProperties"] is False
        assert description.examples

    def test_its_examples_are_valid_and_unknown_parameters_are_not(self, step: Any) -> None:
        for example in step.examples:
            step.of(example)
            with pytest.raises(ParamsInvalid) as raised:
                step.of({**example, "surprise": 1}, loc=("params",))
            assert [fault.loc for fault in raised.value.faults] == [("params", "surprise")]

    def test_its_module_needs_no_pandas_to_be_imported(self, step: Any) -> None:
        tree = ast.parse(Path(inspect.getfile(step)).read_text())
        names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names} | {
            node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module
        }
        assert not {name.split(".")[0] for name in names} & {"pandas", "pyarrow", "numpy"}

    def test_its_parameters_are_frozen_and_closed(self, step: Any) -> None:
        assert issubclass(step.Params, BaseModel)
        assert step.Params.model_config["extra"] == "forbid"
        assert step.Params.model_config["frozen"]


@pytest.mark.parametrize(("kind", "example"), cases())
class TestRows:
    def test_every_row_is_accounted_for(self, kind: type[Handler], example: Any) -> None:
        handler, context = kind.of(example), Context(step=kind.name)
        frame = frame_of(rows_with_holes())
        result = applied(handler, frame, context)
        gone = len(context.rejected) + context.filtered_rows + context.deduplicated_rows
        assert len(frame) + context.added_rows == len(result) + gone
        assert not {row.record for row in context.rejected} & set(result.index)

    def test_no_rows_in_no_rows_out(self, kind: type[Handler], example: Any) -> None:
        handler, context = kind.of(example), Context(step=kind.name)
        assert len(applied(handler, frame_of([]), context)) == 0
        assert (context.rejected, context.filtered_rows, context.deduplicated_rows) == ([], 0, 0)

    def test_its_input_is_left_alone(self, kind: type[Handler], example: Any) -> None:
        handler, frame = kind.of(example), frame_of(rows_with_holes())
        before = frame.copy(deep=True)
        applied(handler, frame, Context(step=kind.name))
        pd.testing.assert_frame_equal(frame, before)

    def test_batches_give_what_the_whole_gives(self, kind: type[Handler], example: Any) -> None:
        rows = rows_with_holes()
        whole, whole_context = kind.of(example), Context(step=kind.name)
        expected = applied(whole, frame_of(rows), whole_context)
        parts, state = [], dict[str, Any]()
        handler, filtered, doubled = kind.of(example), 0, 0
        for at in range(len(rows)):
            context = Context(step=kind.name, state=state)
            parts.append(applied(handler, frame_of(rows[at : at + 1], first=at + 1), context))
            filtered, doubled = filtered + context.filtered_rows, doubled + context.deduplicated_rows
        pd.testing.assert_frame_equal(pd.concat(parts), expected)
        assert (filtered, doubled) == (whole_context.filtered_rows, whole_context.deduplicated_rows)


def test_there_are_the_handlers_that_are_promised() -> None:
    assert {name for name, _ in HANDLERS} >= {
        "cast_types", "clean_text", "column_mapping", "deduplicate", "drop_columns", "explode_json",
        "fill_missing", "filter_rows", "flatten_json", "mask_values", "merge_columns", "parse_dates",
        "replace_values", "select_columns", "split_column", "unpivot",
    }  # fmt: skip
