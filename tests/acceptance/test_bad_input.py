"""Bad requests to the live process: a problem with code and place, 4xx, and nothing half-written."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from shared.contracts.scopes import SCOPES
from shared.identifiers import TenantId, uuid7
from shared.security.keys import SigningKey
from shared.security.tokens import Grant, issue
from tests.acceptance.process import ETL, META, SYSTEM, Caller, Penstock
from tests.acceptance.workshop import Workshop, rows, table, task
from tests.api.bad_input import BadInput
from tests.api.documents import Api

MEBIBYTE = 1024 * 1024
JSON = {"Content-Type": "application/json"}
NOT_FOR_TENANTS = dict.fromkeys(
    (
        "list_tenants",
        "create_tenant",
        "get_tenant",
        "change_tenant",
        "connect_resource",
        "list_resource_changes",
        "revocations",
    ),
    "an owner lacks the scope: 403 comes first",
)


@pytest.mark.parametrize("prefix", [SYSTEM, META, ETL])
async def test_no_operation_answers_bad_input_with_anything_but_a_problem(
    penstock: Penstock, tenant_one: Workshop, prefix: str
) -> None:
    headers = {"Authorization": f"Bearer {tenant_one.caller.token}"}
    async with aiohttp.ClientSession() as http:
        api = await Api.at(http, f"{penstock.url}{prefix}")
        assert await BadInput(api, headers, exempt=NOT_FOR_TENANTS).findings() == []


def test_an_unknown_parameter_is_named(tenant_one: Workshop) -> None:
    answer = tenant_one.caller.call("GET", f"{ETL}/tasks?colour=red")
    assert (answer.status, answer.places) == (422, [["query", "colour"]])


def test_a_wrong_type_is_named(tenant_one: Workshop) -> None:
    answer = tenant_one.caller.call("POST", f"{ETL}/files", {"name": "a.csv", "size": "12"})
    assert (answer.status, answer.places) == (422, [["body", "size"]])


def test_malformed_json_is_a_problem(tenant_one: Workshop) -> None:
    answer = tenant_one.caller.send("POST", f"{ETL}/tasks", b'{"name": ', JSON)
    assert (answer.status, bool(answer.code)) == (400, True)


def test_an_oversized_body_is_refused(tenant_one: Workshop) -> None:
    body = b'{"name": "' + b"a" * (2 * MEBIBYTE) + b'"}'
    assert tenant_one.caller.send("POST", f"{ETL}/tasks", body, JSON).status == 413


@pytest.mark.parametrize("path", ["/nothing/here", "/api/etl/v1/nothing", "/api/etl/v1/tasks/not-an-id"])
def test_a_path_that_leads_nowhere_is_a_problem(tenant_one: Workshop, path: str) -> None:
    answer = tenant_one.caller.call("GET", path)
    assert answer.status in {404, 422}
    assert answer.code


def test_another_method_is_a_problem_that_names_the_right_ones(tenant_one: Workshop) -> None:
    answer = tenant_one.caller.call("DELETE", f"{ETL}/handlers")
    assert (answer.status, "GET" in answer.headers["Allow"]) == (405, True)
    assert answer.code


def grant(me: dict[str, Any]) -> Grant:
    return Grant(
        subject=UUID(me["id"]),
        kind="user",
        client_id="console",
        tenant=TenantId(uuid7()),
        scopes=SCOPES,
        roles=("owner",),
        session_id=str(uuid7()),
    )


@pytest.mark.parametrize("path", [f"{SYSTEM}/me", f"{META}/tables", f"{ETL}/runs"])
def test_an_expired_and_a_forged_token_are_refused(
    penstock: Penstock, tenant_one: Workshop, path: str
) -> None:
    me = tenant_one.caller.get(f"{SYSTEM}/me")
    ours = SigningKey.from_pem((penstock.var / "secrets" / "signing-key.pem").read_text())
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    expired = issue(grant(me), key=ours, now=long_ago).token
    forged = issue(grant(me), key=SigningKey.generate()).token
    for token in (expired, forged):
        answer = Caller(penstock.netloc, token).call("GET", path)
        assert answer.status == 401
        assert answer.code == "token_invalid"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_step_that_names_a_missing_column_is_refused_with_its_place(tenant_one: Workshop) -> None:
    file = tenant_one.upload("missing.csv", rows(1))
    target = tenant_one.draft("missing", tenant_one.warehouse())
    body = task("missing", file, target)
    step = {"step": "select_columns", "params": {"columns": ["id", "nonesuch"], "action": "keep"}}
    body["steps"] = [step, *body["steps"]]
    before = len(tenant_one.caller.items(f"{ETL}/tasks"))
    answer = tenant_one.caller.call("POST", f"{ETL}/tasks", body)
    assert answer.status == 422
    assert ["body", "steps", 0, "params", "columns", 1] in answer.places, answer.body
    assert len(tenant_one.caller.items(f"{ETL}/tasks")) == before


def test_an_unknown_step_is_refused_with_its_place(tenant_one: Workshop) -> None:
    file = tenant_one.upload("unknown.csv", rows(1))
    body = task("unknown", file, tenant_one.draft("unknown", tenant_one.warehouse()))
    body["steps"] = [{"step": "make_coffee", "params": {}}, *body["steps"]]
    del body["name"]
    answer = tenant_one.caller.call("POST", f"{ETL}/tasks:validate", body)
    assert answer.status == 422
    assert any(place[:3] == ["body", "steps", 0] for place in answer.places), answer.body


def test_a_data_table_with_a_column_twice_is_refused(tenant_one: Workshop) -> None:
    body = table("twice", tenant_one.warehouse())
    body["columns"].append(dict(body["columns"][0]))
    answer = tenant_one.caller.call("POST", f"{ETL}/data-tables", body)
    assert (answer.status, any("columns" in place for place in answer.places)) == (422, True)


def test_a_table_that_is_not_published_can_not_be_filled(tenant_one: Workshop) -> None:
    file = tenant_one.upload("draft.csv", rows(1))
    made = tenant_one.task("draft", file, tenant_one.draft("draft", tenant_one.warehouse()))
    answer = tenant_one.caller.call("POST", f"{ETL}/tasks/{made}/runs", {})
    assert answer.status == 409
    assert answer.code


def test_no_problem_shows_a_path_sql_or_a_stack(penstock: Penstock, tenant_one: Workshop) -> None:
    answers = [
        tenant_one.caller.call("POST", f"{ETL}/tasks", {"name": "x" * 300}),
        tenant_one.caller.call("GET", f"{ETL}/runs?cursor=%00"),
        penstock.anonymous.call("POST", f"{SYSTEM}/oauth/token", {"grant_type": "password"}),
    ]
    for answer in answers:
        assert 400 <= answer.status < 500
        said = answer.body.decode()
        assert not any(word in said for word in (str(penstock.var), "SELECT", "Traceback", "sqlite", ".py"))
