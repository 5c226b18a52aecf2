"""Columns and their types in plain Python."""

import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from services.etl.columns import (
    Column,
    ColumnDuplicate,
    Columns,
    ColumnType,
    ColumnTypeText,
    ColumnTypeUnknown,
    ColumnUnknown,
)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("int64", "int64"),
        (" Decimal( 14 , 2 ) ", "decimal(14,2)"),
        ("decimal(9)", "decimal(9,0)"),
        ("VARCHAR(20)", "varchar(20)"),
        ("timestamptz", "timestamptz"),
    ],
)
def test_types_are_read_and_spelled(text: str, spelled: str) -> None:
    assert str(ColumnType.parse(text)) == spelled
    assert ColumnType.parse(spelled) == ColumnType.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "integer", "decimal", "varchar", "varchar(0)", "decimal(39,2)", "decimal(4,5)", "int64(3)",
     "varchar(9,9)", "decimal(99999999999,1)", "text;", "bytes()",
     "varchar(٣٠)", "decimal(１４,2)"],
)  # fmt: skip
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ColumnTypeUnknown) as raised:
        ColumnType.parse(text, loc=("type",))
    assert raised.value.all_faults()[0].loc == ("type",)


def test_types_travel_as_text() -> None:
    adapter = TypeAdapter(ColumnTypeText)
    kind = adapter.validate_json('"decimal(14,2)"')
    assert adapter.dump_json(kind) == b'"decimal(14,2)"'
    assert adapter.json_schema()["x-widget"] == "column-type"
    with pytest.raises(ValidationError) as raised:
        adapter.validate_python("int65")
    assert raised.value.errors()[0]["type"] == "column_type_unknown"


COLUMNS = Columns([Column(name=name, type=ColumnType("text")) for name in ("a", "b", "c")])


def test_columns_are_chosen_dropped_and_renamed() -> None:
    assert COLUMNS.only(["c", "a"]).names == ("c", "a")
    assert COLUMNS.without(["b"]).names == ("a", "c")
    assert COLUMNS.renamed({"a": "b", "b": "a"}).names == ("b", "a", "c")
    assert COLUMNS.retyped({"a": ColumnType("date")}).get("a").type.kind == "date"
    assert COLUMNS.with_column(Column(name="d", type=ColumnType("text"))).names == ("a", "b", "c", "d")


def test_a_name_stands_once() -> None:
    with pytest.raises(ColumnDuplicate):
        Columns([*COLUMNS, *COLUMNS])
    with pytest.raises(ColumnDuplicate):
        COLUMNS.only(["a", "a"])
    with pytest.raises(ColumnDuplicate):
        COLUMNS.renamed({"a": "c"})


def test_unknown_names_are_all_placed() -> None:
    with pytest.raises(ColumnUnknown) as raised:
        COLUMNS.without(["x", "a", "y"], loc=("columns",))
    assert [fault.loc for fault in raised.value.all_faults()] == [("columns", 0), ("columns", 2)]
    assert "'x'" in str(raised.value)
    assert "'a', 'b', 'c'" in str(raised.value)


def test_validating_and_running_from_the_parent_loads_neither_pandas_nor_pyarrow() -> None:
    program = """
import sys
import services.etl.app
import services.etl.runner.executor
from services.etl.pipeline import registry, targets, validate
from shared.plugins.describe import describe
steps = registry.steps()
targets.targets()
for kind in (steps.loaders, steps.handlers, steps.destinations):
    for step in kind.values():
        describe(step)
        for example in step.examples:
            step.of(example)
loaded = {name.partition(".")[0] for name in sys.modules} & {"pandas", "pyarrow", "pgpq", "numpy"}
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
