import pytest

from services.etl.tables.checks import definition_faults, location_faults
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import DIALECTS
from shared.errors import Loc

from .making import PLACE, column, flights, key

POSTGRESQL, SQLITE = DIALECTS["postgresql"], DIALECTS["sqlite"]


def places(definition: TableDefinition, location: Location = PLACE) -> list[tuple[Loc, str]]:
    return [(fault.loc, fault.code) for fault in definition_faults(definition, location, POSTGRESQL)]


def of(*columns: ColumnDefinition) -> TableDefinition:
    return TableDefinition(columns=list(columns))


def test_a_good_definition_has_no_faults() -> None:
    assert places(flights()) == []


def test_a_table_without_columns_is_refused() -> None:
    assert places(of()) == [(("columns",), "columns_count")]


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 64, "航" * 22])
def test_a_name_that_a_database_would_cut_or_refuse_is_a_fault_at_its_place(name: str) -> None:
    assert places(of(column("a"), column(name))) == [(("columns", 1, "name"), "identifier_invalid")]


def test_63_bytes_are_not_too_many() -> None:
    assert places(of(column("航" * 21))) == []


def test_the_same_name_twice_is_a_duplicate() -> None:
    assert places(of(column("a"), column("a"))) == [(("columns", 1, "name"), "identifier_duplicate")]


@pytest.mark.parametrize(
    ("one", "two"), [("Name", "name"), ("straße", "STRASSE"), ("\u00e9", "e\u0301"), ("ﬁ", "fi")]
)
def test_names_that_differ_only_in_case_or_spelling_collide(one: str, two: str) -> None:
    assert places(of(column(one), column(two))) == [(("columns", 1, "name"), "identifier_collision")]


def test_columns_of_the_database_itself_are_reserved() -> None:
    assert places(of(column("CTID"))) == [(("columns", 0, "name"), "identifier_reserved")]


def test_a_default_must_be_a_value_of_its_column() -> None:
    assert places(of(column("n", "int16", literal="70000"))) == [
        (("columns", 0, "default", "literal"), "default_unfit")
    ]


def test_a_default_is_either_a_literal_or_a_function() -> None:
    assert places(of(column("d", "date", literal="2026-01-01", function="now"))) == [
        (("columns", 0, "default"), "default_ambiguous")
    ]


def test_a_function_needs_a_column_that_takes_its_value() -> None:
    assert places(of(column("n", "int32", function="now"))) == [
        (("columns", 0, "default", "function"), "default_unfit")
    ]


def test_a_key_names_columns_of_the_table_once_each() -> None:
    definition = TableDefinition(
        columns=[column("a", nullable=False), column("b")],
        primary_key=["a", "missing", "a", "b"],
        unique_keys=[key("u", "b", "b")],
        indexes=[key("i")],
    )

    assert places(definition) == [
        (("primary_key", 1), "column_unknown"),
        (("primary_key", 2), "column_duplicate"),
        (("primary_key", 3), "key_nullable"),
        (("unique_keys", 0, "columns", 1), "column_duplicate"),
        (("indexes", 0, "columns"), "key_empty"),
    ]


def test_keys_share_one_space_of_names_with_the_table() -> None:
    definition = TableDefinition(
        columns=[column("a")], unique_keys=[key("FLIGHTS", "a")], indexes=[key("x", "a"), key("x", "a")]
    )

    assert places(definition) == [
        (("unique_keys", 0, "name"), "identifier_collision"),
        (("indexes", 1, "name"), "identifier_duplicate"),
    ]


@pytest.mark.parametrize("name", ["_penstock_ledger", "PG_tables", "_Penstock_x"])
def test_names_of_ours_and_of_the_database_are_reserved(name: str) -> None:
    faults = location_faults(Location("public", name), POSTGRESQL)

    assert [(fault.loc, fault.code) for fault in faults] == [(("physical_name",), "identifier_reserved")]


@pytest.mark.parametrize("name", ["_penstock_new_1", "_PENSTOCK_x"])
def test_a_column_has_no_name_like_those_on_their_way_to_another_type(name: str) -> None:
    assert places(of(column("pg_a"), column(name))) == [(("columns", 1, "name"), "identifier_reserved")]


def test_a_database_without_schemas_takes_none() -> None:
    faults = location_faults(Location("main", "t"), SQLITE)

    assert [(fault.loc, fault.code) for fault in faults] == [(("schema_name",), "schema_impossible")]
