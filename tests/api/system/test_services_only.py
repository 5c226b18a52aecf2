"""What services may ask of System, and nobody else."""

from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from services.system.models import Base
from shared.contracts.connection import PostgresqlConnection, ResourceConnection
from shared.db.session import Database

from .driver import POSTGRESQL, Person, System, Tenant


def asked_by(tenant: Tenant, **change: Any) -> dict[str, Any]:
    return {"tenant_id": tenant.id, "purpose": "run", "subject": str(uuid4())} | change


def path_of(resource: dict[str, Any]) -> str:
    return f"/internal/resources/{resource['id']}/connection"


class TestHandOut:
    async def test_a_service_gets_the_connection_with_its_secret(self, system: System, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        service = await system.service("etl")
        answer = await service.post(path_of(resource), asked_by(one))
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        handed = ResourceConnection.model_validate_json(answer.text)
        assert isinstance(handed.connection, PostgresqlConnection)
        assert handed.connection.password.get_secret_value() == POSTGRESQL["password"]
        assert handed.tenant_folder == "one"

    async def test_each_hand_out_is_audited_in_the_tenant_s_log(self, system: System, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        service = await system.service("etl")
        wanted = asked_by(one)
        for _ in range(2):
            await service.post(path_of(resource), wanted)
        entries = (await one.owner.get("/audit?action=resource.connected")).json["items"]
        assert len(entries) == 2
        assert entries[0]["actor_kind"] == "service"
        assert entries[0]["object_id"] == resource["id"]
        assert entries[0]["details"] == {"purpose": "run", "subject": wanted["subject"]}

    async def test_a_tenant_that_does_not_own_it_gets_nothing_and_no_entry(
        self, system: System, one: Tenant, two: Tenant
    ) -> None:
        resource = await one.owner.new_resource()
        service = await system.service("etl")
        foreign = await service.post(path_of(resource), asked_by(two))
        unknown = await service.post(path_of({"id": str(uuid4())}), asked_by(two))
        assert (foreign.status, foreign.code) == (unknown.status, unknown.code) == (404, "resource_unknown")
        assert (await two.owner.get("/audit?action=resource.connected")).json["items"] == []

    @pytest.mark.parametrize("role", ["owner", "platform"])
    async def test_no_person_gets_it(self, system: System, one: Tenant, role: str) -> None:
        resource = await one.owner.new_resource()
        person: Person = one.owner if role == "owner" else await system.administrator()
        answer = await person.post(path_of(resource), asked_by(one))
        assert (answer.status, answer.code) == (403, "scope_missing")

    async def test_nobody_without_a_token_does(self, system: System, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        answer = await system.call("POST", path_of(resource), asked_by(one))
        assert answer.status == 401

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"purpose": "curiosity"}, "body.purpose"),
            ({"tenant_id": "x"}, "body.tenant_id"),
            ({"why": "x"}, "body.why"),
        ],
    )
    async def test_what_is_wrong_is_named(
        self, system: System, one: Tenant, change: dict[str, Any], place: str
    ) -> None:
        service = await system.service("meta")
        answer = await service.post(path_of({"id": str(uuid4())}), asked_by(one, **change))
        assert (answer.status, answer.places) == (422, [place])

    async def test_a_deleted_resource_is_not_handed_out(self, system: System, one: Tenant) -> None:
        resource = await one.owner.new_resource()
        await one.owner.delete(f"/resources/{resource['id']}")
        service = await system.service("etl")
        assert (await service.post(path_of(resource), asked_by(one))).status == 404


class TestUnreadableSecrets:
    async def test_are_a_state_in_the_list_and_a_conflict_when_handed_out(
        self, system: System, one: Tenant
    ) -> None:
        broken, fine = await one.owner.new_resource(), await one.owner.new_resource()
        await damage(system, broken["id"])
        shown = await one.owner.get("/resources")
        states = {item["id"]: item["secrets"]["password"]["state"] for item in shown.json["items"]}
        assert states == {broken["id"]: "unreadable", fine["id"]: "set"}
        service = await system.service("etl")
        refused = await service.post(path_of(broken), asked_by(one))
        assert (refused.status, refused.code) == (409, "secret_unreadable")
        assert (await service.post(path_of(fine), asked_by(one))).status == 200

    async def test_are_mended_by_entering_them_again(self, system: System, one: Tenant) -> None:
        broken = await one.owner.new_resource()
        await damage(system, broken["id"])
        mended = await one.owner.patch(f"/resources/{broken['id']}", {"connection": {"password": "again"}})
        assert mended.json["secrets"]["password"]["state"] == "set"

    async def test_a_sealed_text_copied_to_another_row_does_not_open_there(
        self, system: System, one: Tenant, two: Tenant
    ) -> None:
        source, target = await one.owner.new_resource(), await two.owner.new_resource()
        table = Base.metadata.tables["resource"]
        await execute(
            system,
            sa.update(table)
            .where(table.c.id == sa.func.replace(target["id"], "-", ""))
            .values(
                secrets=sa.select(table.c.secrets)
                .where(table.c.id == sa.func.replace(source["id"], "-", ""))
                .scalar_subquery()
            ),
        )
        service = await system.service("etl")
        assert (await service.post(path_of(target), asked_by(two))).code == "secret_unreadable"


class TestFeed:
    async def test_follows_all_tenants_in_the_order_of_changes(
        self, system: System, one: Tenant, two: Tenant
    ) -> None:
        first, second = await one.owner.new_resource(), await two.owner.new_resource()
        gone = await one.owner.new_resource()
        await one.owner.delete(f"/resources/{gone['id']}")
        await one.owner.patch(f"/resources/{first['id']}", {"description": "new"})
        service = await system.service("meta")
        seen, slugs, path = [], [], "/internal/resources?limit=2"
        while path:
            page = (await service.get(path)).json
            seen += [(item["resource_id"], item["version"], item["deleted"]) for item in page["items"]]
            slugs += [item["tenant_slug"] for item in page["items"]]
            cursor = page["next_cursor"]
            path = f"/internal/resources?limit=2&cursor={cursor}" if cursor else ""
        assert seen[-3:] == [(second["id"], 1, False), (gone["id"], 2, True), (first["id"], 2, False)]
        assert slugs[-3:] == ["two", "one", "one"]
        assert POSTGRESQL["host"] not in str(page)

    async def test_is_not_for_people(self, one: Tenant) -> None:
        assert (await one.owner.get("/internal/resources")).status == 403


async def damage(system: System, resource_id: str) -> None:
    table = Base.metadata.tables["resource"]
    statement = sa.update(table).where(table.c.id == sa.func.replace(resource_id, "-", ""))
    await execute(system, statement.values(secrets={"password": "v1.damaged"}))


async def execute(system: System, statement: sa.Update) -> None:
    database = Database(system.settings.database_url)
    async with database.write() as session:
        await session.execute(statement)
    await database.close()
