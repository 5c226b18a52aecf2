import asyncio
from typing import Any

import pytest

from services.system.resources.connections import TYPES

from .driver import POSTGRESQL, System, Tenant

RESOURCE: dict[str, Any] = {"name": "shop", "connection": POSTGRESQL}


class TestCreate:
    async def test_a_resource_is_returned_without_its_secret(self, one: Tenant) -> None:
        made = await one.owner.post("/resources", RESOURCE)
        assert made.status == 201
        assert made.headers["Location"].endswith(f"/resources/{made.json['id']}")
        assert "password" not in made.json["connection"]
        assert made.json["secrets"]["password"]["state"] == "set"
        assert POSTGRESQL["password"] not in made.text

    async def test_without_a_password_none_is_set(self, one: Tenant) -> None:
        resource = await one.owner.new_resource(password="")
        assert resource["secrets"] == {"password": {"state": "unset", "updated_at": None}}

    async def test_a_name_is_taken_once_and_free_again_after_deletion(self, one: Tenant) -> None:
        made = (await one.owner.post("/resources", RESOURCE)).json
        again = await one.owner.post("/resources", RESOURCE)
        assert (again.status, again.code, again.places) == (409, "resource_name_taken", ["body.name"])
        assert (await one.owner.delete(f"/resources/{made['id']}")).status == 204
        assert (await one.owner.post("/resources", RESOURCE)).status == 201

    async def test_fifty_at_once_with_one_name_make_one(self, one: Tenant) -> None:
        answers = await asyncio.gather(*(one.owner.post("/resources", RESOURCE) for _ in range(50)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 49

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"name": ""}, "body.name"),
            ({"name": "a\nb"}, "body.name"),
            ({"name": "   "}, "body.name"),
            ({"tenant_id": "x"}, "body.tenant_id"),
            ({"connection": None}, "body.connection"),
            ({"connection": {"type": "oracle"}}, "body.connection"),
            ({"connection": {}}, "body.connection"),
            ({"connection": POSTGRESQL | {"port": 70000}}, "body.connection.port"),
            ({"connection": POSTGRESQL | {"port": "5432"}}, "body.connection.port"),
            ({"connection": POSTGRESQL | {"host": "/tmp"}}, "body.connection.host"),
            ({"connection": POSTGRESQL | {"dsn": "x"}}, "body.connection.dsn"),
            ({"connection": POSTGRESQL | {"user": "a\u001bb"}}, "body.connection.user"),
            ({"connection": POSTGRESQL | {"password": ["CANARY"]}}, "body.connection.password"),
            ({"connection": {"type": "sqlite", "file": "../system.db"}}, "body.connection.file"),
            ({"connection": {"type": "sqlite", "file": "/etc/passwd"}}, "body.connection.file"),
        ],
    )
    async def test_what_is_wrong_is_named_with_its_place(
        self, one: Tenant, change: dict[str, Any], place: str
    ) -> None:
        answer = await one.owner.post("/resources", RESOURCE | change)
        assert answer.status == 422, answer
        assert answer.places == [place]
        assert "CANARY" not in answer.text


class TestChange:
    async def test_what_is_absent_stays(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        changed = await one.owner.patch(
            f"/resources/{resource['id']}", {"connection": {"database": "other"}, "description": "new"}
        )
        assert changed.status == 200
        assert changed.json["connection"] == resource["connection"] | {"database": "other"}
        assert changed.json["secrets"] == resource["secrets"]
        assert changed.json["version"] == 2

    async def test_a_new_host_without_the_secret_is_refused_and_nothing_changes(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        path = f"/resources/{resource['id']}"
        refused = await one.owner.patch(path, {"name": "other", "connection": {"host": "evil.example"}})
        assert (refused.status, refused.code) == (422, "secret_needed")
        assert refused.places == ["body.connection.password"]
        assert (await one.owner.get(path)).json == resource

    async def test_a_null_secret_is_cleared(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        changed = await one.owner.patch(f"/resources/{resource['id']}", {"connection": {"password": None}})
        assert changed.json["secrets"]["password"]["state"] == "unset"

    async def test_the_version_that_was_read_is_needed(self, system: System, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        path = f"/resources/{resource['id']}"
        token = one.owner.token
        for method in ("PATCH", "DELETE"):
            without = await system.call(method, path, {"name": "x"}, token=token)
            assert (without.status, without.code) == (428, "precondition_missing")
            bad = await system.call(method, path, {"name": "x"}, token=token, headers={"If-Match": "*"})
            assert (bad.status, bad.places) == (422, ["header.If-Match"])
        assert (await one.owner.patch(path, {"name": "x"}, version=7)).code == "version_outdated"
        assert (await one.owner.delete(path, version=7)).code == "version_outdated"

    async def test_of_sixty_writers_who_read_the_same_version_one_wins(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        path = f"/resources/{resource['id']}"
        answers = await asyncio.gather(
            *(one.owner.patch(path, {"description": f"by {number}"}) for number in range(60))
        )
        assert sorted(answer.status for answer in answers) == [200] + [412] * 59
        winner = next(answer for answer in answers if answer.status == 200)
        assert (await one.owner.get(path)).json == winner.json

    async def test_to_a_name_that_is_taken_is_a_conflict(self, one: Tenant) -> None:
        await one.owner.post("/resources", RESOURCE)
        resource = await one.owner.new_resource()
        answer = await one.owner.patch(f"/resources/{resource['id']}", {"name": "shop"})
        assert (answer.status, answer.code) == (409, "resource_name_taken")

    async def test_a_resource_keeps_its_type(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        answer = await one.owner.patch(
            f"/resources/{resource['id']}", {"connection": {"type": "sqlite", "file": "a.db"}}
        )
        assert (answer.status, answer.code) == (422, "resource_type_fixed")


class TestRead:
    async def test_a_deleted_one_is_gone(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        path = f"/resources/{resource['id']}"
        assert (await one.owner.delete(path)).status == 204
        for answer in (
            await one.owner.get(path),
            await one.owner.patch(path, {}),
            await one.owner.delete(path),
            await one.owner.post(f"{path}/test"),
        ):
            assert (answer.status, answer.code) == (404, "resource_unknown")
        assert (await one.owner.get("/resources")).json["items"] == []

    async def test_the_list_can_be_narrowed_to_a_type(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        found = await one.owner.get("/resources?type=postgresql")
        assert [item["id"] for item in found.json["items"]] == [resource["id"]]
        assert (await one.owner.get("/resources?type=sqlite")).json["items"] == []

    async def test_each_type_describes_its_connection_with_its_secrets_marked(self, one: Tenant) -> None:
        types = (await one.owner.get("/resource-types")).json["items"]
        assert {one_type["name"] for one_type in types} == set(TYPES)
        schema = (await one.owner.get("/resource-types/postgresql")).json["connection_schema"]
        assert schema["properties"]["password"]["writeOnly"] is True
        assert (await one.owner.get("/resource-types/oracle")).status == 404

    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("limit=0", 422, "request_invalid"),
            ("limit=many", 422, "request_invalid"),
            ("limit=1&limit=2", 422, "request_invalid"),
            ("colour=red", 422, "request_invalid"),
            ("cursor=nonsense", 400, "invalid_cursor"),
            ("cursor=WzFd", 400, "invalid_cursor"),
            ("cursor=" + "W" * 900, 400, "invalid_cursor"),
        ],
    )
    async def test_a_bad_query_is_refused(self, one: Tenant, query: str, status: int, code: str) -> None:
        answer = await one.owner.get(f"/resources?{query}")
        assert (answer.status, answer.code) == (status, code)

    @pytest.mark.parametrize("role", ["viewer", "operator"])
    async def test_those_who_only_look_or_operate_change_nothing(
        self, system: System, one: Tenant, role: str
    ) -> None:
        resource = await one.owner.new_resource()
        person = await system.new_user("pat", [role], one.slug, one.id)
        assert (await person.get("/resources")).status == 200
        assert (await person.post("/resources", RESOURCE)).status == 403
        assert (await person.patch(f"/resources/{resource['id']}", {})).status == 403
        assert (await person.delete(f"/resources/{resource['id']}")).status == 403


class TestAudit:
    async def test_each_change_leaves_one_entry(self, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        path = f"/resources/{resource['id']}"
        await one.owner.patch(path, {"description": "new"})
        await one.owner.patch(path, {"connection": {"host": "evil.example"}}, version=2)
        await one.owner.delete(path, version=2)
        entries = [
            entry
            for entry in (await one.owner.get("/audit")).json["items"]
            if entry["object_id"] == resource["id"]
        ]
        assert [entry["action"] for entry in entries] == [
            "resource.deleted",
            "resource.updated",
            "resource.created",
        ]
        for entry in entries:
            assert entry["actor_id"] == one.owner.id
            assert entry["address"] == "127.0.0.1"
            assert entry["request_id"]
        assert entries[1]["details"]["fields"] == ["description"]
