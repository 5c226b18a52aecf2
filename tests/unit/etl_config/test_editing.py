from typing import Any
from uuid import uuid4

import pytest

from services.etl.columns import TEXT
from services.etl.tables.definition import Default, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.editing import drafted, edited
from services.etl.tables.errors import DefinitionInvalid
from services.etl.tables.schemas import DataTableInput, DataTableUpdate
from shared.contracts.connection import MysqlConnection

from .making import PLACE, flights

POSTGRESQL, MYSQL, SQLITE = (DIALECTS[name] for name in ("postgresql", "mysql", "sqlite"))


def given(**changes: Any) -> DataTableInput:
    base = {
        "display_name": "Flights",
        "resource_id": uuid4(),
        "physical_name": "flights",
        "columns": [{"name": "carrier", "type": "varchar(2)", "nullable": False}],
    }
    return DataTableInput.model_validate(base | changes)


def test_without_a_schema_a_table_lies_in_the_usual_one() -> None:
    assert drafted(given(), POSTGRESQL, "public")[0].schema == "public"
    assert drafted(given(), SQLITE, None)[0].schema is None


def test_the_usual_database_of_a_mysql_resource_is_the_one_that_it_names() -> None:
    named, unnamed = (MysqlConnection(host="h", user="u", database=name) for name in ("shop", ""))

    assert MYSQL.default_schema(named) == "shop"
    assert MYSQL.default_schema(unnamed) is None
    with pytest.raises(DefinitionInvalid) as refused:
        drafted(given(), MYSQL, None)
    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("body", "schema_name"), "schema_required")
    ]


def test_faults_have_their_places_in_the_body() -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        drafted(given(physical_name="", primary_key=["nobody"]), POSTGRESQL, "public")

    assert [fault.loc for fault in refused.value.faults] == [
        ("body", "physical_name"),
        ("body", "primary_key", 0),
    ]


def test_keys_without_a_name_get_one() -> None:
    _, definition = drafted(given(unique_keys=[{"columns": ["carrier"]}]), POSTGRESQL, "public")

    assert definition.unique_keys[0].name == "flights_carrier_key"


def test_defaults_are_kept_in_one_spelling() -> None:
    columns = [{"name": "n", "type": "int32", "default": {"literal": "007"}}]

    _, definition = drafted(given(columns=columns), POSTGRESQL, "public")

    assert definition.columns[0].default is not None
    assert definition.columns[0].default.literal == "7"


def changed(columns: list[dict[str, Any]]) -> Any:
    update = DataTableUpdate.model_validate(
        {"columns": columns, "primary_key": [], "unique_keys": [], "indexes": []}
    )
    return edited(flights(), update, PLACE, POSTGRESQL, published=None)


def test_a_column_of_a_known_name_keeps_its_id() -> None:
    assert changed([{"name": "fare", "type": "text"}]).columns[0].id == flights().columns[2].id


def test_a_column_that_is_renamed_by_its_id_keeps_it() -> None:
    known = flights().columns[2].id

    assert changed([{"id": str(known), "name": "price", "type": "text"}]).columns[0].id == known


def test_the_name_of_a_renamed_column_can_go_to_a_new_one() -> None:
    known = flights().columns[2].id

    after = changed([{"name": "fare", "type": "text"}, {"id": str(known), "name": "price", "type": "text"}])

    assert after.columns[1].id == known
    assert after.columns[0].id != known


def test_an_id_that_no_column_has_is_a_fault() -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        changed([{"id": str(uuid4()), "name": "a", "type": "text"}])

    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("body", "columns", 0, "id"), "column_id_unknown")
    ]


def test_an_id_can_not_be_given_twice() -> None:
    known = str(flights().columns[2].id)

    with pytest.raises(DefinitionInvalid) as refused:
        changed([{"id": known, "name": "a", "type": "text"}, {"id": known, "name": "b", "type": "text"}])

    assert refused.value.faults[0].loc == ("body", "columns", 1, "id")


def test_what_is_not_given_stays() -> None:
    after = edited(flights(), DataTableUpdate(comment="New."), PLACE, POSTGRESQL, published=None)

    assert after == flights(comment="New.")


def kept(column: Any, default: str) -> Any:
    return column.model_copy(update={"default": Default(kept=default)})


def with_kept(default: str | None = "identity") -> TableDefinition:
    definition = flights()
    first = definition.columns[0] if default is None else kept(definition.columns[0], default)
    return definition.model_copy(update={"columns": [first, *definition.columns[1:]]})


def first_column(**changes: Any) -> DataTableUpdate:
    columns = [{**one.model_dump(mode="json"), "id": str(one.id)} for one in flights().columns]
    return DataTableUpdate.model_validate({"columns": [columns[0] | changes, *columns[1:]]})


def test_what_fills_a_column_already_stays_when_it_is_sent_again() -> None:
    update = first_column(default={"kept": "identity"}, comment="Filled.")

    configured = edited(with_kept(), update, PLACE, POSTGRESQL, published=None)
    published = edited(flights(), update, PLACE, POSTGRESQL, published=with_kept())

    assert configured.columns[0].default == published.columns[0].default == Default(kept="identity")


@pytest.mark.parametrize("default", ["generated", "now()"])
def test_what_fills_a_column_can_not_be_given_to_it(default: str) -> None:
    update = first_column(default={"kept": default})

    with pytest.raises(DefinitionInvalid) as refused:
        edited(with_kept(), update, PLACE, POSTGRESQL, published=with_kept())

    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("body", "columns", 0, "default", "kept"), "default_not_kept")
    ]


def test_what_fills_a_column_can_not_be_given_to_another() -> None:
    columns = [{**one.model_dump(mode="json"), "id": str(one.id)} for one in flights().columns]
    columns[1] |= {"default": {"kept": "identity"}}

    with pytest.raises(DefinitionInvalid) as refused:
        edited(
            with_kept(),
            DataTableUpdate.model_validate({"columns": columns}),
            PLACE,
            POSTGRESQL,
            published=None,
        )

    assert refused.value.faults[0].loc == ("body", "columns", 1, "default", "kept")


def test_only_a_draft_can_be_without_columns() -> None:
    nothing = DataTableUpdate(columns=[], primary_key=[], unique_keys=[], indexes=[])

    assert edited(flights(), nothing, PLACE, POSTGRESQL, published=None).columns == []
    with pytest.raises(DefinitionInvalid) as refused:
        edited(flights(), nothing, PLACE, POSTGRESQL, published=flights())
    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("body", "columns"), "columns_count")
    ]


def typed(native: str, kind: str = "text", **more: Any) -> list[dict[str, Any]]:
    return [{"name": "carrier", "type": kind, "native": native, **more}]


@pytest.mark.parametrize(
    ("dialect", "kind", "written", "kept"),
    [
        (POSTGRESQL, "text", " INET ", "inet"),
        (POSTGRESQL, "text", "char(3)", "character(3)"),
        (POSTGRESQL, "int32", "int4", None),
        (POSTGRESQL, "varchar(3)", "varchar(3)", None),
        (MYSQL, "text", "ENUM('a','B')", "enum('a','B')"),
        (MYSQL, "int32", "INT", None),
        (MYSQL, "timestamptz", "DATETIME(6)", None),
        (SQLITE, "text", "TEXT", None),
    ],
)
def test_a_type_of_the_database_is_kept_under_its_own_name(
    dialect: Any, kind: str, written: str, kept: str | None
) -> None:
    schema = None if dialect is SQLITE else "public"

    _, definition = drafted(given(columns=typed(written, kind)), dialect, schema)

    assert (definition.columns[0].native, str(definition.columns[0].type)) == (kept, kind)


@pytest.mark.parametrize(
    ("dialect", "written", "code"),
    [
        (POSTGRESQL, "bigserial", "native_unknown"),
        (POSTGRESQL, "text; DROP TABLE x", "native_unknown"),
        (POSTGRESQL, "text DEFAULT 1", "native_unknown"),
        (POSTGRESQL, "int, b int", "native_unknown"),
        (POSTGRESQL, "int8", "native_unfit"),
        (MYSQL, "int auto_increment", "native_unknown"),
        (MYSQL, "enum('a') DEFAULT 'a'", "native_unknown"),
        (MYSQL, "bigint", "native_unfit"),
        (SQLITE, "TEXT NOT NULL", "native_unknown"),
        (SQLITE, "x) -- ", "native_unknown"),
    ],
)
def test_what_is_no_type_of_the_database_is_a_fault_at_its_place(
    dialect: Any, written: str, code: str
) -> None:
    schema = None if dialect is SQLITE else "public"

    with pytest.raises(DefinitionInvalid) as refused:
        drafted(given(columns=typed(written)), dialect, schema)

    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("body", "columns", 0, "native"), code)
    ]


def test_a_type_that_a_column_was_found_with_stays_as_it_is_spelled() -> None:
    odd = "text collate nobody knows"
    first = flights().columns[0].model_copy(update={"native": odd, "type": TEXT})
    found = flights().model_copy(update={"columns": [first, *flights().columns[1:]]})

    after = edited(found, first_column(native=odd, type="text"), PLACE, POSTGRESQL, published=None)

    assert after.columns[0].native == odd
    with pytest.raises(DefinitionInvalid):
        edited(flights(), first_column(native=odd, type="text"), PLACE, POSTGRESQL, published=None)
