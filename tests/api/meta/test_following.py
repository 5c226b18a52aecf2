"""Datasources follow resources, whatever happens to the messages; tenants see their own only."""

import asyncio

import pytest

from shared.contracts.connection import ConnectionInfo, HttpConnection, S3Connection, SqliteConnection
from shared.identifiers import ResourceId, TenantId, uuid7
from tests.api.meta.house import House, on_both_stores
from tests.contract.meta.targets import SqliteTarget

FILE = SqliteConnection(file="shop.db")


async def test_a_lost_message_is_made_up_for(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    resource = await house.system.create(house.tenant, FILE, told=False)
    await house.datasource_of(resource)
    assert len(await house.items("/databases")) == 1


@on_both_stores
async def test_messages_that_come_twice_or_late_change_nothing(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    resource = await house.system.create(house.tenant, FILE, name="first")
    first = house.system.resources[resource].summary
    await house.datasource()
    await house.system.change(resource, name="second")
    await house.until(lambda: house.items("/datasources"), lambda found: found[0]["name"] == "second")
    await house.datasource()
    logs = len(await house.items("/sync-logs"))
    await house.system.tell(first, "created")
    await house.system.tell(house.system.resources[resource].summary, "updated")
    marker = await house.system.create(house.tenant, FILE, name="marker")
    await house.datasource_of(marker)
    names = [each["name"] for each in await house.items("/datasources")]
    assert names == ["marker", "second"]
    assert len(await house.items("/sync-logs")) == logs + 1


@on_both_stores
async def test_a_deleted_resource_takes_its_catalog_out_of_sight(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    resource = await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    await house.system.change(resource, deleted=True)
    await house.until(lambda: house.items("/datasources"), lambda found: found == [])
    assert await house.items("/tables") == []
    assert await house.items("/fields") == []
    assert len(await house.items("/datasources?removed=true")) == 1
    answer = await house.call("POST", f"/datasources/{datasource['id']}/scan")
    assert (answer.status, answer.body["code"]) == (409, "datasource_removed")


async def test_a_creation_that_arrives_after_the_deletion_stays_deleted(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run()
    resource = await house.system.create(house.tenant, FILE, told=False)
    created = house.system.resources[resource].summary
    await house.system.change(resource, deleted=True)
    await house.until(lambda: house.items("/datasources?removed=true"), lambda found: len(found) == 1)
    await house.system.tell(created, "created")
    marker = await house.system.create(house.tenant, FILE, name="marker")
    await house.datasource_of(marker)
    assert [each["name"] for each in await house.items("/datasources")] == ["marker"]


@pytest.mark.parametrize(
    "info", [HttpConnection(base_url="https://api.example.com"), S3Connection(bucket="things")]
)
async def test_a_resource_without_a_scanner_is_listed_and_not_scanned(
    house: House, info: ConnectionInfo
) -> None:
    await house.system.create(house.tenant, info)
    datasource = await house.datasource()
    assert not datasource["is_scannable"]
    answer = await house.call("POST", f"/datasources/{datasource['id']}/sync")
    assert (answer.status, answer.body["code"]) == (409, "not_scannable")


async def test_a_message_that_is_no_change_of_a_resource_stops_nothing(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    await house.system.send({"tenant_id": "nobody"})
    await house.system.create(house.tenant, FILE)
    assert (await house.datasource())["name"] == "shop"


@on_both_stores
async def test_another_tenant_finds_nothing_of_it(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource = (await house.datasource())["id"]
    log = (await house.scan(datasource))["id"]
    table = (await house.items("/tables"))[0]["id"]
    database = (await house.items("/databases"))[0]["id"]
    stranger = TenantId(uuid7())
    for path in ("/datasources", "/databases", "/tables", "/fields", "/sync-logs"):
        assert await house.items(path, tenant=stranger) == []
    for filtered in (
        f"/databases?datasource_id={datasource}",
        f"/tables?database_id={database}",
        f"/fields?table_id={table}",
        f"/sync-logs?datasource_id={datasource}",
    ):
        assert await house.items(filtered, tenant=stranger) == []
    for method, path in (
        ("GET", f"/datasources/{datasource}"),
        ("POST", f"/datasources/{datasource}/sync"),
        ("POST", f"/datasources/{datasource}/scan"),
        ("GET", f"/databases/{database}"),
        ("GET", f"/tables/{table}"),
        ("GET", f"/sync-logs/{log}"),
        ("GET", f"/sync-logs/{log}/events"),
        ("POST", f"/sync-logs/{log}/cancel"),
    ):
        answer = await house.call(method, path, tenant=stranger)
        assert (method, path, answer.status) == (method, path, 404)


@on_both_stores
async def test_sixty_requests_at_once_start_one_scan_and_lose_no_lock(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource = (await house.datasource())["id"]
    answers = await asyncio.gather(
        *(
            house.call("POST", f"/datasources/{datasource}/scan", headers={"Idempotency-Key": str(number)})
            for number in range(60)
        )
    )
    statuses = [answer.status for answer in answers]
    assert set(statuses) <= {202, 409}
    accepted = [answer.body["id"] for answer in answers if answer.status == 202]
    assert len(accepted) >= 1
    for sync_log in accepted:
        assert (await house.over(sync_log))["status"] == "success"
    assert len(await house.items("/sync-logs?sync_type=deep&limit=100")) == len(accepted)


async def test_secrets_of_connections_are_kept_nowhere(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    resource: ResourceId = await house.system.create(house.tenant, FILE)
    await house.scan((await house.datasource())["id"])
    assert {asked.purpose for asked in house.system.asked} == {"scan"}
    stored = b"".join(path.read_bytes() for path in house.settings.var.glob("meta.db*"))
    assert b"meta-secret" not in stored
    assert b"shop.db" not in stored
    assert resource is not None
