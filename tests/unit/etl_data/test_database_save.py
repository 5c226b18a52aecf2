"""The destination step: what its modes ask of the table and of the rows, each fault with its place."""

from typing import Any

import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.destinations.database_save import DatabaseSave
from services.etl.pipeline.definition import History, TargetTable
from shared.errors import Invalid, Loc

TABLE_ID = "018f0000-0000-7000-8000-000000000000"


def columns(required: str = "", **types: str) -> Columns:
    return Columns(
        Column(name=name, type=ColumnType.parse(kind), nullable=name not in required.split())
        for name, kind in types.items()
    )


ROWS = columns(faa="text", name="text")
PLAIN = TargetTable(columns(required="faa", faa="text", name="text"), key=("faa",))
VERSIONED = TargetTable(
    columns(
        required="faa since",
        faa="text",
        name="text",
        since="timestamptz",
        until="timestamptz",
        ok="boolean",
    ),
    key=("faa", "since"),
)
SCD2 = {"mode": "scd2", "key": ["faa"], "valid_from": "since", "valid_to": "until", "active": "ok"}


def faults(params: dict[str, Any], *, rows: Columns = ROWS, target: TargetTable = PLAIN) -> dict[Loc, str]:
    """What is wrong, by place."""
    try:
        DatabaseSave.of({"table_id": TABLE_ID, **params}).check(rows, target)
    except Invalid as error:
        return {fault.loc: fault.code for fault in error.all_faults()} or {error.loc: error.code()}
    return {}


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace"])
def test_modes_but_scd2_take_rows_that_fit_the_table(mode: str) -> None:
    assert faults({"mode": mode}) == {}


@pytest.mark.parametrize("mode", ["upsert", "insert_only"])
def test_a_mode_that_tells_rows_apart_needs_a_key(mode: str) -> None:
    without = TargetTable(PLAIN.columns)
    assert faults({"mode": mode}, target=without) == {("key",): "key_missing"}
    assert faults({"mode": mode, "key": ["name"]}, target=without) == {}
    assert faults({"mode": "replace"}, target=without) == {}


def test_every_wrong_column_of_the_key_is_named_at_its_place() -> None:
    found = faults({"mode": "upsert", "key": ["faa", "gone", "faa"]})
    assert found == {("key", 1): "column_unknown", ("key", 2): "column_duplicate"}


def test_scd2_fills_its_own_columns() -> None:
    assert faults(SCD2, target=VERSIONED) == {}
    step = DatabaseSave.of({"table_id": TABLE_ID, **SCD2, "absent": "close"})
    assert step.history == History(valid_from="since", valid_to="until", active="ok", absent="close")
    assert DatabaseSave.of({"table_id": TABLE_ID}).history is None


def test_scd2_needs_a_key_of_its_own_because_that_of_the_table_tells_versions_apart() -> None:
    params = {name: value for name, value in SCD2.items() if name != "key"}
    assert faults(params, target=VERSIONED) == {("key",): "business_key_missing"}


def test_a_primary_key_without_the_moment_leaves_no_room_for_versions() -> None:
    narrow = TargetTable(VERSIONED.columns, key=("faa",))
    assert faults(SCD2, target=narrow) == {("table_id",): "key_too_narrow"}


@pytest.mark.parametrize(
    ("change", "place", "code"),
    [
        ({"valid_from": "gone"}, "valid_from", "column_unknown"),
        ({"valid_from": "ok"}, "valid_from", "type_mismatch"),
        ({"valid_to": "since"}, "valid_to", "column_duplicate"),
        ({"active": "until"}, "active", "column_duplicate"),
        ({"active": "name"}, "active", "column_taken"),
    ],
)
def test_columns_of_scd2_that_can_not_be_filled_are_named_at_their_parameter(
    change: dict[str, Any], place: str, code: str
) -> None:
    with pytest.raises(Invalid) as raised:
        DatabaseSave.of({"table_id": TABLE_ID, **SCD2, **change}).check(ROWS, VERSIONED)
    assert code in {fault.code for fault in raised.value.all_faults() if fault.loc == (place,)}


def test_the_end_of_a_version_must_be_able_to_be_null() -> None:
    strict = TargetTable(
        columns(required="since until", faa="text", name="text", since="timestamp", until="timestamp"),
        key=("faa", "since"),
    )
    params = {name: value for name, value in SCD2.items() if name != "active"}
    assert faults(params, target=strict) == {("valid_to",): "null_not_allowed"}


def test_json_and_floats_are_no_key_of_versions() -> None:
    rows = columns(faa="json", name="float64")
    target = TargetTable(
        columns(faa="json", name="float64", since="timestamptz", until="timestamptz", ok="boolean")
    )
    found = faults(SCD2 | {"key": ["faa", "name"]}, rows=rows, target=target)
    assert found == {("key", 0): "type_mismatch", ("key", 1): "type_mismatch"}


@pytest.mark.parametrize("mode", ["append", "upsert", "insert_only", "replace"])
def test_an_option_that_does_nothing_in_the_mode_is_refused(mode: str) -> None:
    found = faults({"mode": mode, "absent": "close", "valid_to": "until"})
    assert found == {("absent",): "option_misplaced", ("valid_to",): "option_misplaced"}


@pytest.mark.parametrize("example", DatabaseSave.examples)
def test_examples_are_valid_parameters(example: dict[str, Any]) -> None:
    assert DatabaseSave.of(example).params.mode == example["mode"]
