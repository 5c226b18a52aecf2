import asyncio
from typing import Any

import pytest

from .driver import System, Tenant

PASSWORD = "a good password"
ANN: dict[str, Any] = {"username": "ann", "password": PASSWORD, "roles": ["viewer"]}


class TestCreate:
    async def test_a_created_user_logs_in_with_the_scopes_of_the_roles(
        self, system: System, one: Tenant
    ) -> None:
        made = await one.owner.post("/users", ANN | {"roles": ["viewer", "viewer"], "display_name": "Ann"})
        assert made.status == 201
        assert made.json["roles"] == ["viewer"]
        assert made.headers["ETag"] == '"1"'
        ann = await system.log_in("ann", PASSWORD, "one")
        scopes = (await ann.get("/me")).json["scopes"]
        assert "resource:read" in scopes
        assert "resource:write" not in scopes

    async def test_a_name_is_taken_once_in_a_tenant_whatever_its_letters(self, one: Tenant) -> None:
        assert (await one.owner.post("/users", ANN)).status == 201
        again = await one.owner.post("/users", ANN | {"username": "ANN"})
        assert (again.status, again.code, again.places) == (409, "username_taken", ["body.username"])

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"username": "a b"}, "body.username"),
            ({"username": ""}, "body.username"),
            ({"password": "short"}, "body.password"),
            ({"password": "x" * 201}, "body.password"),
            ({"password": "aaaaaaaaaaaaaaa"}, "body.password"),
            ({"password": "ann123456789"}, "body.password"),
            ({"roles": []}, "body.roles"),
            ({"roles": ["platform"]}, "body.roles.0"),
            ({"roles": ["root"]}, "body.roles.0"),
            ({"is_admin": True}, "body.is_admin"),
            ({"id": "x"}, "body.id"),
            ({"tenant_id": 7}, "body.tenant_id"),
            ({"display_name": "a\nb"}, "body.display_name"),
        ],
    )
    async def test_what_is_wrong_is_named_with_its_place(
        self, one: Tenant, change: dict[str, Any], place: str
    ) -> None:
        answer = await one.owner.post("/users", ANN | change)
        assert answer.status == 422
        assert answer.places == [place]

    async def test_the_platform_administrator_has_to_name_an_existing_tenant(self, system: System) -> None:
        administrator = await system.administrator()
        assert (await administrator.post("/users", ANN)).places == ["body.tenant_id"]
        unknown = await administrator.post(
            "/users", ANN | {"tenant_id": "01900000-0000-7000-8000-000000000000"}
        )
        assert (unknown.status, unknown.code) == (404, "tenant_unknown")

    async def test_fifty_at_once_with_one_name_make_one_user(self, one: Tenant) -> None:
        answers = await asyncio.gather(*(one.owner.post("/users", ANN) for _ in range(50)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 49


class TestRoles:
    async def test_an_admin_makes_users_but_no_owners(self, system: System, one: Tenant) -> None:
        admin = await system.new_user("adam", ["admin"], one.slug, one.id)
        assert (await admin.post("/users", ANN | {"roles": ["editor"]})).status == 201
        refused = await admin.post("/users", ANN | {"username": "eve", "roles": ["owner"]})
        assert (refused.status, refused.code) == (403, "role_not_grantable")

    async def test_an_admin_neither_becomes_owner_nor_disables_one(self, system: System, one: Tenant) -> None:
        admin = await system.new_user("adam", ["admin"], one.slug, one.id)
        assert (await admin.patch(f"/users/{admin.id}", {"roles": ["owner"]})).status == 403
        assert (await admin.patch(f"/users/{one.owner.id}", {"enabled": False})).status == 403

    @pytest.mark.parametrize("change", [{"enabled": False}, {"roles": ["admin"]}])
    async def test_the_last_owner_stays(self, one: Tenant, change: dict[str, Any]) -> None:
        refused = await one.owner.patch(f"/users/{one.owner.id}", change)
        assert (refused.status, refused.code) == (409, "last_owner")

    async def test_an_owner_beside_another_may_go(self, system: System, one: Tenant) -> None:
        other = await system.new_user("olga", ["owner"], one.slug, one.id)
        assert (await other.patch(f"/users/{one.owner.id}", {"enabled": False})).status == 200

    async def test_two_owners_who_demote_each_other_at_once_leave_one(
        self, system: System, one: Tenant
    ) -> None:
        other = await system.new_user("olga", ["owner"], one.slug, one.id)
        answers = await asyncio.gather(
            other.patch(f"/users/{one.owner.id}", {"roles": ["viewer"]}),
            one.owner.patch(f"/users/{other.id}", {"roles": ["viewer"]}),
        )
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == 1, statuses

    @pytest.mark.parametrize("role", ["viewer", "operator", "editor"])
    async def test_others_manage_no_users(self, system: System, one: Tenant, role: str) -> None:
        person = await system.new_user("pat", [role], one.slug, one.id)
        assert (await person.post("/users", ANN)).status == 403
        assert (await person.get("/users")).status == 200

    async def test_the_platform_s_own_role_is_not_changed_here(self, system: System) -> None:
        administrator = await system.administrator()
        my_id = (await administrator.get("/me")).json["id"]
        for change in ({"enabled": False}, {"roles": ["owner"]}):
            assert (await administrator.patch(f"/users/{my_id}", change)).status == 403

    async def test_the_roles_are_listed_with_their_scopes(self, one: Tenant) -> None:
        roles = (await one.owner.get("/roles")).json["items"]
        assert [role["name"] for role in roles] == ["viewer", "operator", "editor", "admin", "owner"]


class TestChange:
    async def test_a_change_needs_the_version_that_was_read(self, system: System, one: Tenant) -> None:
        ann = (await one.owner.post("/users", ANN)).json
        path = f"/users/{ann['id']}"
        without = await system.call("PATCH", path, {"display_name": "A"}, token=one.owner.token)
        assert (without.status, without.code) == (428, "precondition_missing")
        assert (await one.owner.patch(path, {"display_name": "A"})).headers["ETag"] == '"2"'
        outdated = await one.owner.patch(path, {"display_name": "B"})
        assert (outdated.status, outdated.code) == (412, "version_outdated")
        assert (await one.owner.get(path)).json["display_name"] == "A"

    async def test_the_list_is_paged(self, system: System, one: Tenant) -> None:
        for number in range(4):
            assert (await one.owner.post("/users", ANN | {"username": f"u{number}"})).status == 201
        names, path = [], "/users?limit=2"
        while path:
            page = (await one.owner.get(path)).json
            names += [user["username"] for user in page["items"]]
            path = f"/users?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        assert names == ["boss", "u0", "u1", "u2", "u3"]


class TestTenants:
    async def test_a_slug_is_taken_once(self, system: System, one: Tenant) -> None:
        administrator = await system.administrator()
        again = await administrator.post("/tenants", {"slug": one.slug, "name": "Another"})
        assert (again.status, again.code, again.places) == (409, "tenant_slug_taken", ["body.slug"])

    @pytest.mark.parametrize("slug", ["", "A", "a b", "-a", "../a", "a" * 41, "ä"])
    async def test_a_slug_is_a_plain_folder_name(self, system: System, slug: str) -> None:
        administrator = await system.administrator()
        answer = await administrator.post("/tenants", {"slug": slug, "name": "X"})
        assert (answer.status, answer.places) == (422, ["body.slug"])

    async def test_the_name_changes_and_the_slug_does_not(self, system: System, one: Tenant) -> None:
        administrator = await system.administrator()
        changed = await administrator.patch(f"/tenants/{one.id}", {"name": "New"})
        assert (changed.json["name"], changed.json["slug"]) == ("New", "one")
        refused = await administrator.patch(f"/tenants/{one.id}", {"slug": "new"}, version=2)
        assert refused.places == ["body.slug"]
        assert len((await administrator.get("/tenants")).json["items"]) == 2
        assert (await administrator.get(f"/tenants/{one.id}")).json["version"] == 2
