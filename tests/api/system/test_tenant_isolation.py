"""Two tenants: whatever one has, the other gets the answer for what doesn't exist."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.system import app
from services.system.keys import signing_key
from shared.contracts.scopes import SCOPES
from shared.http.operation import Operation, operations_of
from shared.identifiers import TenantId
from shared.security.tokens import Grant, issue
from tests.api.documents import Api
from tests.api.isolation import Matrix

from .driver import POSTGRESQL, Answer, System, Tenant

WITH_ID = [
    declared
    for declared in operations_of(app.FEATURES)
    if "{" in declared.path and declared.path != "/resource-types/{name}"
]
BODIES: Mapping[str, Any] = {
    "change_resource": {"description": "mine now"},
    "try_resource": {},
    "change_user": {"display_name": "mine now"},
    "change_tenant": {"name": "mine now"},
}


async def ask(tenant: Tenant, declared: Operation, object_id: str) -> Answer:
    path = re.sub(r"{\w+}", object_id, declared.path)
    headers = {"If-Match": '"1"'} if declared.if_match else {}
    body = BODIES.get(declared.name)
    return await tenant.owner.system.call(
        declared.method, path, body, token=tenant.owner.token, headers=headers
    )


@pytest.mark.parametrize(
    "declared",
    [one for one in WITH_ID if "internal" not in one.tags and one.tags != ("tenants",)],
    ids=lambda declared: declared.name,
)
async def test_an_object_of_another_tenant_does_not_exist(
    one: Tenant, two: Tenant, declared: Operation
) -> None:
    resource = await one.owner.new_resource()
    foreign_id = one.owner.id if "{user}" in declared.path else resource["id"]
    foreign, unknown = await ask(two, declared, foreign_id), await ask(two, declared, str(uuid4()))
    assert foreign.status == unknown.status == 404
    assert told(foreign) == told(unknown)
    untouched = (await one.owner.get(f"/resources/{resource['id']}")).json
    assert (untouched["version"], untouched["description"]) == (1, "")


def told(answer: Answer) -> Mapping[str, Any]:
    return {name: value for name, value in answer.json.items() if name not in {"request_id", "instance"}}


@pytest.mark.parametrize(
    "declared", [one for one in WITH_ID if one.tags == ("tenants",)], ids=lambda declared: declared.name
)
async def test_tenants_themselves_are_the_platform_s(one: Tenant, two: Tenant, declared: Operation) -> None:
    assert (await ask(two, declared, one.id)).status == 403


@pytest.mark.parametrize("path", ["/resources", "/users", "/audit"])
async def test_no_list_shows_anything_of_another_tenant(one: Tenant, two: Tenant, path: str) -> None:
    await one.owner.new_resource(host="canary-of-one.example")
    shown = await two.owner.get(path)
    assert shown.status == 200
    for trace in (one.id, one.owner.id, "canary-of-one", one.slug):
        assert f'"{trace}' not in shown.text


async def test_a_tenant_named_in_a_body_or_query_is_one_s_own_or_unknown(one: Tenant, two: Tenant) -> None:
    wanted = {"username": "spy", "password": "a good password", "roles": ["viewer"], "tenant_id": one.id}
    assert (await two.owner.post("/users", wanted)).status == 404
    assert (await two.owner.get(f"/users?tenant_id={one.id}")).status == 404
    assert (await two.owner.get(f"/users?tenant_id={two.id}")).status == 200


async def test_the_same_names_live_in_both(one: Tenant, two: Tenant) -> None:
    wanted = {"name": "same", "connection": POSTGRESQL}
    assert (await one.owner.post("/resources", wanted)).status == 201
    assert (await two.owner.post("/resources", wanted)).status == 201


async def test_a_token_cannot_be_turned_to_another_tenant_by_headers(
    system: System, one: Tenant, two: Tenant
) -> None:
    resource = await one.owner.new_resource()
    spoofed = {"X-Tenant": one.id, "X-User": one.owner.id, "X-Roles": "platform", "Tenant": one.slug}
    answer = await system.call("GET", f"/resources/{resource['id']}", token=two.owner.token, headers=spoofed)
    assert answer.status == 404


async def test_the_platform_administrator_sees_no_data_of_tenants(system: System, one: Tenant) -> None:
    administrator = await system.administrator()
    assert (await administrator.get("/resources")).status == 403
    entries = (await administrator.get("/audit")).json["items"]
    assert not any(entry["object_type"] == "resource" for entry in entries)


async def test_not_even_a_token_with_every_scope_opens_another_tenant(
    system: System, one: Tenant, two: Tenant
) -> None:
    """By the tool that all services share: every operation of the document with an id in path or body."""
    resource = await one.owner.new_resource()
    grant = Grant(
        subject=UUID(two.owner.id),
        kind="user",
        client_id="cli",
        tenant=TenantId(UUID(two.id)),
        scopes=SCOPES,
        roles=("owner",),
        session_id=str(uuid4()),
    )
    token = issue(grant, key=signing_key(system.settings)).token
    matrix = Matrix(
        await Api.at(system.http, system.base),
        owned={"resource": resource["id"], "user": one.owner.id, "tenant": one.id, "tenant_id": one.id},
        stranger={"Authorization": f"Bearer {token}", "If-Match": '"1"'},
        bodies={"try_resource": {}, "change_resource": {}, "change_user": {}},
        exempt={
            "get_tenant": "for the platform administrator only: tested below",
            "change_tenant": "as get_tenant",
            "connect_resource": "for services only: tested below and in test_services_only",
            "get_resource_type": "its name is no id",
        },
    )
    assert await matrix.findings() == []
    for method, path in (
        ("GET", "/tenants"),
        ("GET", f"/tenants/{one.id}"),
        ("GET", "/internal/resources"),
        ("GET", "/internal/revocations"),
    ):
        assert (await system.call(method, path, token=token)).status == 403
    asked = {"tenant_id": one.id, "purpose": "run"}
    path = f"/internal/resources/{resource['id']}/connection"
    refused = await system.call("POST", path, asked, token=token)
    assert (refused.status, refused.code) == (403, "services_only")
