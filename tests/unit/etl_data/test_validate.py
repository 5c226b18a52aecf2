"""Validation of whole pipelines: every place that is wrong, and the columns of every step."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers.select_columns import SelectColumns
from services.etl.pipeline.definition import PipelineConfig, TargetTable
from services.etl.pipeline.registry import steps
from services.etl.pipeline.validate import Pipeline, PipelineInvalid, validate, validated

ID = "018f0000-0000-7000-8000-000000000000"
SOURCE = {
    "params": {"file_id": ID, "columns": [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}]}
}
SAVE: dict[str, Any] = {"step": "database_save", "params": {"table_id": ID}}
TABLE = TargetTable(
    Columns(
        [
            Column(name="a", type=ColumnType("int64"), nullable=False),
            Column(name="b", type=ColumnType("text")),
            Column(name="made", type=ColumnType("timestamptz"), nullable=False),
        ]
    ),
    key=("a",),
    defaults=frozenset({"made"}),
)


def checked(*given: Any, source: Any = SOURCE, target: TargetTable | None = None) -> Pipeline:
    config = PipelineConfig.model_validate({"source": source, "steps": list(given)})
    return validate(config, steps(), target=target, loc=("body",))


def faults(*given: Any, **others: Any) -> list[tuple[tuple[Any, ...], str]]:
    with pytest.raises(PipelineInvalid) as raised:
        checked(*given, **others)
    return [(fault.loc, fault.code) for fault in raised.value.all_faults()]


def test_columns_are_worked_out_from_step_to_step() -> None:
    rename = {"step": "column_mapping", "params": {"mapping": {"a": "n"}}}
    cast = {"step": "cast_types", "params": {"columns": [{"column": "n", "type": "decimal(5,2)"}]}}
    pipeline = checked(rename, cast, SAVE)
    assert [columns.names for columns in pipeline.columns] == [("a", "b"), ("n", "b"), ("n", "b")]
    assert str(pipeline.columns_out.get("n").type) == "decimal(5,2)"


def test_all_wrong_parameters_are_told_at_once() -> None:
    found = faults(
        {"step": "nothing"},
        {"step": "cast_types", "params": {"columns": [{"column": "a", "type": "int65"}], "more": 1}},
        {"step": "filter_rows"},
        source={"params": {"columns": []}},
    )
    assert found == [
        (("body", "source", "params", "columns"), "too_short"),
        (("body", "steps", 0, "step"), "step_unknown"),
        (("body", "steps", 1, "params", "columns", 0, "type"), "column_type_unknown"),
        (("body", "steps", 1, "params", "more"), "extra_forbidden"),
        (("body", "steps", 2, "step"), "step_misplaced"),
    ]


def test_a_step_that_names_a_missing_column_is_told_with_its_place() -> None:
    drop = {"step": "select_columns", "params": {"columns": ["a"], "action": "drop"}}
    use = {"step": "deduplicate", "params": {"columns": ["b", "a"]}}
    assert faults(drop, use, SAVE) == [
        (("body", "steps", 1, "params", "columns", 1), "column_unknown"),
    ]


def test_a_destination_stands_at_the_end_alone() -> None:
    assert faults(SAVE, SAVE) == [(("body", "steps", 0, "step"), "step_misplaced")]


def test_an_unknown_loader_is_told() -> None:
    assert faults(SAVE, source={"loader": "fax"}) == [(("body", "source", "loader"), "step_unknown")]


def test_columns_must_fit_the_table() -> None:
    checked(SAVE, target=TABLE)
    place = ("body", "steps", 1, "params", "table_id")
    cast = {"step": "cast_types", "params": {"columns": [{"column": "a", "type": "text"}]}}
    assert faults(cast, SAVE, target=TABLE) == [(place, "type_mismatch")]
    rename = {"step": "column_mapping", "params": {"mapping": {"a": "z"}}}
    assert faults(rename, SAVE, target=TABLE) == [(place, "column_unknown"), (place, "column_missing")]


def test_an_upsert_needs_a_key_that_the_rows_have() -> None:
    upsert = {"step": "database_save", "params": {"table_id": ID, "mode": "upsert"}}
    checked(upsert, target=TABLE)
    keyless = TargetTable(TABLE.columns, (), TABLE.defaults)
    assert faults(upsert, target=keyless) == [(("body", "steps", 0, "params", "key"), "key_missing")]
    named = {"step": "database_save", "params": {"table_id": ID, "mode": "upsert", "key": ["a", "q"]}}
    place = ("body", "steps", 0, "params", "key", 1)
    assert faults(named, target=keyless) == [(place, "column_unknown")]


async def test_a_step_that_takes_its_time_to_answer_holds_up_nobody_else() -> None:
    others_went_on = threading.Event()
    known = steps()

    class Slow(SelectColumns):
        """Asks somebody who answers late."""

        def columns_out(self, columns: Columns) -> Columns:
            assert others_went_on.wait(10)
            return columns

    registry = replace(known, handlers={**known.handlers, "select_columns": Slow})
    step = {"step": "select_columns", "params": {"columns": ["a", "b"]}}
    config = PipelineConfig.model_validate({"source": SOURCE, "steps": [step, SAVE]})

    checking = asyncio.create_task(validated(config, registry))
    asyncio.get_running_loop().call_later(0.01, others_went_on.set)

    assert (await checking).columns_out.names == ("a", "b")
