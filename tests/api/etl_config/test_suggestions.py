from typing import Any
from uuid import uuid4

import pytest

from shared.identifiers import TenantId
from tests.api.etl_config.house import House

SPECIAL = b"Carrier Code,flight,flight_2,FLIGHT,,\xe8\x88\xaa\xe7\x8f\xad\nAA,1,x,y,z,w\nUA,2,,,,\n"


async def suggested(house: House, origin: dict[str, Any], **more: Any) -> Any:
    body = {"from": origin, "resource_id": more.pop("resource_id", None) or await house.warehouse()} | more
    return (await house.call("POST", "/data-tables:suggest", body=body, expect=200)).body


async def made(house: House, suggestion: Any) -> Any:
    return (await house.call("POST", "/data-tables", body=suggestion["table"], expect=201)).body


async def test_the_beginning_of_a_file_becomes_a_data_table(house: House) -> None:
    file = await house.file()

    found = await suggested(house, {"kind": "csv", "file_id": file["id"]})
    table = await made(house, found)

    assert found["notes"] == []
    assert found["params"]["file_id"] == file["id"]
    assert (table["display_name"], table["physical_name"]) == ("flights", "flights")
    assert [one["name"] for one in table["columns"]] == ["carrier", "flight", "fare"]
    assert table["columns"][0]["type"] == "text"
    assert await house.publish(table)


async def test_columns_that_can_not_keep_their_names_get_others(house: House) -> None:
    file = await house.file(SPECIAL)

    found = await suggested(house, {"kind": "csv", "file_id": file["id"]}, display_name="Special")
    table = await made(house, found)

    names = [one["name"] for one in table["columns"]]
    assert names[:3] == ["Carrier Code", "flight", "flight_2"]
    assert len({name.casefold() for name in names}) == 6
    assert ["columns", 3, "name"] in [note["loc"] for note in found["notes"]]
    assert {note["code"] for note in found["notes"]} == {"column_renamed"}


async def test_another_data_table_is_taken_over_with_its_keys(house: House) -> None:
    table = await house.draft(
        unique_keys=[{"columns": ["fare"]}],
        indexes=[{"name": "by_fare", "columns": ["fare"]}],
        comment="All.",
    )

    origin = {"kind": "data_table", "table_id": table["id"]}
    beside = await made(house, await suggested(house, origin, resource_id=table["resource_id"]))
    elsewhere = await suggested(house, origin, physical_name="copy")

    assert beside["physical_name"] == "flights_2"
    assert (beside["primary_key"], beside["comment"]) == (["carrier", "flight"], "All.")
    assert beside["unique_keys"] == [{"name": "flights_2_fare_key", "columns": ["fare"]}]
    assert not {one["id"] for one in beside["columns"]} & {one["id"] for one in table["columns"]}
    assert elsewhere["table"]["physical_name"] == "copy"


async def test_a_table_of_the_catalog_is_read_in_the_name_of_the_caller(house: House) -> None:
    resource = await house.warehouse()
    columns: list[dict[str, Any]] = [
        {"name": "id", "column_type": "BIGINT", "is_nullable": False, "extra": "rowid"},
        {"name": "name", "column_type": "TEXT", "column_default": "'?'", "comment": "Who."},
        {"name": "place", "column_type": "geometry"},
    ]
    keys = [key("primary", "id"), key("unique", "name", "place"), key("foreign", "place")]
    known = house.meta.table("people", columns, resource_id=resource, keys=keys)
    headers = house.headers()

    origin = {"kind": "catalog", "table_id": known}
    answer = await house.call(
        "POST", "/data-tables:suggest", body={"from": origin, "resource_id": resource}, headers=headers
    )
    table = await made(house, answer.body)

    assert set(house.meta.tokens) == {headers["Authorization"]}
    assert table["physical_name"] == "people_2"
    assert [(one["name"], one["type"], one["nullable"]) for one in table["columns"][:2]] == [
        ("id", "int64", False),
        ("name", "text", True),
    ]
    assert table["columns"][1]["default"] == {"literal": "?", "function": None, "kept": None}
    assert table["columns"][1]["comment"] == "Who."
    assert (table["primary_key"], table["unique_keys"][0]["columns"]) == (["id"], ["name", "place"])
    assert {note["code"] for note in answer.body["notes"]} >= {"keys_left_out", "default_left_out"}


async def test_a_table_of_another_database_gets_the_nearest_types(house: House) -> None:
    columns = [
        {"name": "at", "column_type": "timestamp with time zone", "column_default": "now()"},
        {"name": "address", "column_type": "inet"},
        {"name": "code", "column_type": "character(3)"},
    ]
    known = house.meta.table(
        "logins", columns, resource_id=str(uuid4()), resource_type="postgresql", comment="All of them."
    )

    found = await suggested(house, {"kind": "catalog", "table_id": known})

    assert [one["type"] for one in found["table"]["columns"]] == ["timestamptz", "text", "varchar(3)"]
    assert found["table"]["columns"][0]["default"]["function"] == "now"
    assert [(note["loc"], note["code"]) for note in found["notes"]] == [
        (["columns", 1, "type"], "type_without_equal"),
        (["columns", 2, "type"], "type_without_equal"),
    ]
    assert await made(house, found)


async def test_what_the_target_refuses_is_among_the_notes(house: House) -> None:
    table = await house.draft()

    found = await suggested(
        house, {"kind": "data_table", "table_id": table["id"]}, physical_name="sqlite_x", schema_name="s"
    )

    assert [(note["loc"], note["code"]) for note in found["notes"]] == [
        (["physical_name"], "identifier_reserved"),
        (["schema_name"], "schema_impossible"),
    ]


@pytest.mark.parametrize(
    ("origin", "code", "place"),
    [
        ({"kind": "csv", "file_id": str(uuid4())}, "file_not_found", "body.from.file_id"),
        ({"kind": "catalog", "table_id": str(uuid4())}, "catalog_table_not_found", "body.from.table_id"),
        ({"kind": "data_table", "table_id": str(uuid4())}, "data_table_not_found", "body.from.table_id"),
        ({"kind": "data_table", "table_id": "x"}, "request_invalid", "body.from.table_id"),
        ({"kind": "excel"}, "request_invalid", "body.from"),
    ],
)
async def test_an_origin_that_is_not_there_is_a_fault_at_its_place(
    house: House, origin: dict[str, Any], code: str, place: str
) -> None:
    body = {"from": origin, "resource_id": await house.warehouse()}

    refused = await house.call("POST", "/data-tables:suggest", body=body)

    assert refused.problem() == (422, code)
    assert refused.places == [place]


async def test_parameters_that_are_wrong_have_their_place(house: House) -> None:
    file = await house.file()
    origin = {"kind": "csv", "file_id": file["id"], "params": {"delimiter": "too long"}}

    refused = await house.call(
        "POST", "/data-tables:suggest", body={"from": origin, "resource_id": await house.warehouse()}
    )

    assert refused.problem() == (422, "preview_refused")
    assert refused.places == ["body.from.params.delimiter"]


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_a_catalog_that_gives_no_answer_is_said_to_be_away(house: House, status: int) -> None:
    known = house.meta.table("t", [{"name": "a", "column_type": "TEXT"}], resource_id=str(uuid4()))
    house.meta.status = status
    body = {"from": {"kind": "catalog", "table_id": known}, "resource_id": await house.warehouse()}

    refused = await house.call("POST", "/data-tables:suggest", body=body)

    assert refused.status == 503


async def test_nothing_of_another_tenant_can_be_suggested_from(house: House, stranger: TenantId) -> None:
    table, file = await house.draft(tenant=stranger), await house.file(tenant=stranger)
    resource = await house.warehouse()

    for origin in ({"kind": "data_table", "table_id": table["id"]}, {"kind": "csv", "file_id": file["id"]}):
        body = {"from": origin, "resource_id": resource}
        assert (await house.call("POST", "/data-tables:suggest", body=body)).status == 422


def key(kind: str, *columns: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("referenced_schema", "referenced_table", "on_update", "on_delete"))
    told = {"is_deferrable": False, "is_validated": True, "nulls_distinct": True, "referenced_columns": []}
    return {"name": None, "kind": kind, "columns": list(columns), **nothing, **told}
