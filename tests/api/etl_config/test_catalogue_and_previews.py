from uuid import uuid4

import pytest

from tests.api.etl_config.house import House


async def test_every_step_describes_itself_for_a_form(house: House) -> None:
    found = (await house.call("GET", "/handlers", expect=200)).body["items"]

    assert {step["kind"] for step in found} == {"loader", "handler", "destination"}
    for step in found:
        assert step["title"]
        assert step["summary"]
        assert step["params_schema"]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert step["params_schema"]["additionalProperties"] is False


@pytest.mark.parametrize("kind", ["loader", "handler", "destination"])
async def test_steps_are_listed_by_kind(house: House, kind: str) -> None:
    found = (await house.call("GET", f"/handlers?kind={kind}", expect=200)).body["items"]

    assert {step["kind"] for step in found} == {kind}


async def test_one_step_is_found_by_its_name(house: House) -> None:
    found = (await house.call("GET", "/handlers/column_mapping", expect=200)).body

    assert found["name"] == "column_mapping"
    assert (await house.call("GET", "/handlers/nobody")).problem() == (404, "handler_unknown")


async def test_a_source_is_shown_with_parameters_for_a_task(house: House) -> None:
    file = await house.file()

    found = (await house.call("POST", "/preview-source", body={"file_id": file["id"]}, expect=200)).body

    assert [column["name"] for column in found["columns"]] == ["carrier", "flight", "fare"]
    assert found["rows"][0] == ["AA", "1", "10.50"]
    assert found["params"]["file_id"] == file["id"]


async def test_the_parameters_of_a_preview_are_those_of_a_task(house: House) -> None:
    table, file = await house.draft(), await house.file()
    found = (await house.call("POST", "/preview-source", body={"file_id": file["id"]}, expect=200)).body
    columns = [{**column, "type": "text"} for column in found["params"]["columns"]]
    source = {"loader": "csv", "params": found["params"] | {"columns": columns}}

    body = house.pipeline(table, file, source=source)

    await house.call("POST", "/tasks:validate", body=body, expect=200)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "file_empty"),
        (b"a,a\n1,2\n", "header_duplicate"),
        (b'a,b\n1,"2\n', "unterminated_quote"),
        (b"a,b\n\xff,2\n", "is not UTF-8"),
    ],
)
async def test_a_bad_source_is_a_problem_or_said_among_the_problems(
    house: House, content: bytes, said: str
) -> None:
    file = await house.file(content)

    body = {"file_id": file["id"], "params": {"encoding": "utf-8"}}
    answer = await house.call("POST", "/preview-source", body=body)

    assert answer.status in {200, 422}, answer
    assert said in str(answer.body)


async def test_only_files_that_are_ready_are_shown(house: House) -> None:
    file = (await house.call("POST", "/files", body={"name": "a", "size": 9}, expect=201)).body

    for wanted in (file["id"], str(uuid4())):
        refused = await house.call("POST", "/preview-source", body={"file_id": wanted})
        assert refused.problem() == (422, "file_not_found")
        assert refused.places == ["body.file_id"]


async def test_an_unknown_loader_is_named_with_those_that_there_are(house: House) -> None:
    file = await house.file()

    refused = await house.call("POST", "/preview-source", body={"file_id": file["id"], "loader": "nobody"})

    assert refused.problem() == (422, "step_unknown")
    assert refused.places == ["body.loader"]


async def test_a_bad_parameter_of_a_preview_has_its_place_in_the_request(house: House) -> None:
    file = await house.file()

    body = {"file_id": file["id"], "params": {"columns": [], "quote": "no"}}
    refused = await house.call("POST", "/preview-source", body=body)

    assert refused.problem() == (422, "preview_refused")
    assert set(refused.places) == {"body.params.columns", "body.params.quote"}
