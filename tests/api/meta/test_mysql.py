"""A server of MariaDB from its resource to the fields of its tables, over HTTP."""

import pytest

from tests.api.meta.house import House
from tests.contract.meta.scanners import SHOP
from tests.contract.meta.targets import MysqlTarget
from tests.servers.mariadb import MariaDsn

pytestmark = pytest.mark.mariadb


@pytest.fixture
async def shop(mariadb_database: MariaDsn) -> MysqlTarget:
    target = MysqlTarget(mariadb_database)
    await target.run(
        *SHOP,
        "ALTER TABLE customer COMMENT 'who buys', MODIFY name TEXT COMMENT 'as on the bill'",
        "ALTER TABLE purchase ADD COLUMN data JSON",
        "CREATE INDEX by_total ON purchase (total)",
    )
    return target


async def test_every_database_of_the_server_appears_by_itself(
    house: House, shop: MysqlTarget, mariadb_server: MariaDsn
) -> None:
    second = MysqlTarget(await mariadb_server.create_database())
    try:
        await second.run("CREATE TABLE other (a INTEGER)")
        await house.system.create(house.tenant, shop.connection())
        datasource = await house.datasource()
        databases = {each["name"]: each for each in await house.items("/databases")}
        log = await house.scan(datasource["id"])
    finally:
        await mariadb_server.drop_database(second.dsn)
    assert {name: each["table_count"] for name, each in databases.items()} == {
        shop.database: 4,
        second.database: 1,
    }
    assert databases[shop.database]["charset"] == "utf8mb4"
    assert databases[shop.database]["total_size_bytes"] > 0
    assert (log["status"], log["databases_scanned"], log["tables_scanned"]) == ("success", 2, 5)


async def test_a_scan_stores_keys_comments_and_types(house: House, shop: MysqlTarget) -> None:
    await house.system.create(house.tenant, shop.connection())
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    tables = {table["name"]: table for table in await house.items("/tables")}
    customer = (await house.call("GET", f"/tables/{tables['customer']['id']}")).body
    assert (customer["schema"], customer["database"]) == (shop.database, shop.database)
    assert (customer["type"], customer["engine"], customer["comment"]) == ("table", "InnoDB", "who buys")
    assert [(field["name"], field["column_key"], field["comment"]) for field in customer["fields"]] == [
        ("id", "PRI", None),
        ("email", "UNI", None),
        ("name", None, "as on the bill"),
        ("born", None, None),
    ]
    purchase = (await house.call("GET", f"/tables/{tables['purchase']['id']}")).body
    assert {field["name"]: (field["column_key"], field["data_type"]) for field in purchase["fields"]} == {
        "customer_id": ("PRI", "int"),
        "number": ("PRI", "int"),
        "total": ("MUL", "decimal"),
        "data": (None, "json"),
    }
    assert {key["kind"] for key in purchase["keys"]} == {"primary", "foreign"}
    assert [each["name"] for each in purchase["constraints"]] == ["total_is_positive"]


async def test_a_second_scan_finds_nothing_changed_and_a_third_what_was(
    house: House, shop: MysqlTarget
) -> None:
    await house.system.create(house.tenant, shop.connection())
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    again = await house.scan(datasource["id"])
    assert (again["tables_scanned"], again["tables_changed"], again["tables_removed"]) == (4, 0, 0)
    await shop.run("DROP VIEW rich", "ALTER TABLE customer ADD COLUMN x INTEGER DEFAULT 1")
    changed = await house.scan(datasource["id"])
    assert (changed["tables_changed"], changed["tables_removed"]) == (1, 1)
