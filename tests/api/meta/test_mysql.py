"""A server of MariaDB from its resource to the fields of its tables, over HTTP."""

from tests.api.meta.house import House
from tests.contract.meta.scanners import SHOP
from tests.contract.meta.targets import MysqlTarget
from tests.servers.mariadb import MariaDsn


async def test_every_database_appears_by_itself_and_a_scan_stores_what_is_kept(
    house: House, mariadb_server: MariaDsn, mariadb_database: MariaDsn
) -> None:
    shop = MysqlTarget(mariadb_database)
    await shop.run(
        *SHOP,
        "ALTER TABLE customer COMMENT 'who buys', MODIFY name TEXT COMMENT 'as on the bill'",
        "CREATE INDEX by_total ON purchase (total)",
    )
    second = MysqlTarget(await mariadb_server.create_database())
    try:
        await second.run("CREATE TABLE other (a JSON)")
        await house.system.create(house.tenant, shop.connection())
        datasource = await house.datasource()
        databases = {each["name"]: each for each in await house.items("/databases")}
        assert {name: each["table_count"] for name, each in databases.items()} == {
            shop.database: 4,
            second.database: 1,
        }
        assert databases[shop.database]["charset"] == "utf8mb4"
        assert databases[shop.database]["total_size_bytes"] > 0
        log = await house.scan(datasource["id"])
    finally:
        await mariadb_server.drop_database(second.dsn)
    assert (log["status"], log["databases_scanned"], log["tables_scanned"]) == ("success", 2, 5)
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
    assert {field["name"]: field["column_key"] for field in purchase["fields"]} == {
        "customer_id": "PRI",
        "number": "PRI",
        "total": "MUL",
    }
    assert {key["kind"] for key in purchase["keys"]} == {"primary", "foreign"}
    assert [each["name"] for each in purchase["constraints"]] == ["total_is_positive"]
    (column,) = await house.items(f"/fields?table_id={tables['other']['id']}")
    assert (column["data_type"], column["column_type"]) == ("json", "json")


async def test_a_second_scan_finds_nothing_changed_and_a_third_what_was(
    house: House, mariadb_database: MariaDsn
) -> None:
    shop = MysqlTarget(mariadb_database)
    await shop.run(*SHOP)
    await house.system.create(house.tenant, shop.connection())
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    again = await house.scan(datasource["id"])
    assert (again["tables_scanned"], again["tables_changed"], again["tables_removed"]) == (4, 0, 0)
    await shop.run("DROP VIEW rich", "ALTER TABLE customer ADD COLUMN x INTEGER DEFAULT 1")
    changed = await house.scan(datasource["id"])
    assert (changed["tables_changed"], changed["tables_removed"]) == (1, 1)
