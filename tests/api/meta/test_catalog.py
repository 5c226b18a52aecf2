"""From a new resource to the fields of its tables, over HTTP."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from services.meta.scanners._model import SchemaList, TableFailure, TableFilter, Unit
from services.meta.scanners.sqlite import SqliteScanner
from shared.contracts.connection import SqliteConnection
from shared.http.paging import encode_cursor
from tests.api.meta.house import House, on_both_stores
from tests.contract.meta.scanners import INDEX, SHOP
from tests.contract.meta.targets import SqliteTarget

pytestmark = on_both_stores
FILE = SqliteConnection(file="shop.db")


async def test_a_datasource_appears_by_itself_with_level_one_done(house: House, shop: SqliteTarget) -> None:
    await shop.run(*SHOP)
    resource = await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    assert (datasource["resource_id"], datasource["name"]) == (str(resource), "shop")
    (database,) = await house.items("/databases")
    assert (database["name"], database["table_count"], database["is_scanned"]) == ("main", 4, False)
    assert (database["charset"], database["collation"], database["owner"]) == ("UTF-8", "BINARY", None)
    assert database["total_size_bytes"] > 0
    (log,) = await house.items("/sync-logs")
    assert (log["sync_type"], log["sync_level"], log["status"]) == ("auto", "database", "success")
    assert log["duration_ms"] >= 0
    assert house.system.asked[0].purpose == "scan"


async def test_a_scan_stores_everything_that_is_kept(house: House, shop: SqliteTarget) -> None:
    await shop.run(*SHOP, INDEX)
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    log = await house.scan(datasource["id"])
    assert (log["status"], log["sync_type"], log["sync_level"]) == ("success", "deep", "field")
    assert [log[f"{what}_scanned"] for what in ("databases", "tables", "fields")] == [1, 4, 10]
    tables = {table["name"]: table for table in await house.items("/tables")}
    assert list(tables) == sorted(tables)
    customer = (await house.call("GET", f"/tables/{tables['customer']['id']}")).body
    assert (customer["schema"], customer["database"], customer["type"]) == ("main", "main", "table")
    assert customer["row_count"] == 0
    assert customer["data_size_bytes"] > 0
    assert customer["last_scan_at"] is not None
    assert [(field["name"], field["column_key"]) for field in customer["fields"]] == [
        ("id", "PRI"),
        ("email", "UNI"),
        ("name", None),
        ("born", None),
    ]
    purchase = (await house.call("GET", f"/tables/{tables['purchase']['id']}")).body
    assert {key["kind"] for key in purchase["keys"]} == {"primary", "foreign"}
    assert "purchase_by_total" in {index["name"] for index in purchase["indexes"]}
    assert [each["name"] for each in purchase["constraints"]] == ["total_is_positive"]
    (database,) = await house.items("/databases")
    assert database["is_scanned"]
    assert database["last_scan_at"] is not None


async def test_lists_filter_and_page(house: House, shop: SqliteTarget) -> None:
    await shop.run(*SHOP)
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    assert [each["name"] for each in await house.items("/tables?type=view")] == ["rich"]
    assert [each["name"] for each in await house.items("/tables?name=CUST")] == ["customer"]
    assert await house.items("/tables?name=c_st") == []
    assert await house.items("/tables?schema=elsewhere") == []
    assert await house.items("/tables?removed=true") == []
    found, cursor, rounds = [], None, 0
    while rounds == 0 or cursor:
        more = f"&cursor={cursor}" if cursor else ""
        page = (await house.call("GET", f"/fields?limit=3{more}")).body
        found += [field["id"] for field in page["items"]]
        cursor, rounds = page["next_cursor"], rounds + 1
    assert len(found) == len(set(found)) == 10
    assert rounds == 4
    (customer,) = await house.items("/tables?name=customer")
    fields = await house.items(f"/fields?table_id={customer['id']}")
    assert [field["position"] for field in fields] == [1, 2, 3, 4]
    assert len(await house.items(f"/fields?datasource_id={datasource['id']}&column_key=PRI")) == 3


async def test_what_vanished_is_marked_and_what_comes_back_keeps_its_id(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run("CREATE TABLE a (x INTEGER, y INTEGER)", "CREATE TABLE b (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    before = {table["name"]: table["id"] for table in await house.items("/tables")}
    await shop.run("DROP TABLE b", "ALTER TABLE a DROP COLUMN y")
    log = await house.scan(datasource["id"])
    assert (log["tables_removed"], log["tables_changed"]) == (1, 1)
    assert [table["name"] for table in await house.items("/tables")] == ["a"]
    (removed,) = await house.items("/tables?removed=true")
    assert (removed["id"], removed["removed_at"] is not None) == (before["b"], True)
    assert {field["name"] for field in await house.items("/fields?removed=true")} == {"x", "y"}
    await shop.run("CREATE TABLE b (x INTEGER)")
    await house.scan(datasource["id"])
    assert {table["name"]: table["id"] for table in await house.items("/tables")} == before


async def test_a_broken_view_makes_the_scan_partial_and_keeps_what_was_known(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)", "CREATE VIEW v AS SELECT x FROM t")
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    (view,) = await house.items("/tables?name=v")
    await shop.run(
        "ALTER TABLE t RENAME TO u",
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE VIEW v AS SELECT x FROM t' WHERE name = 'v'",
    )
    log = await house.scan(datasource["id"])
    assert (log["status"], log["failure_count"]) == ("partial", 1)
    assert [(each["database"], each["schema"], each["table"]) for each in log["failures"]] == [
        ("main", "main", "v")
    ]
    after = (await house.call("GET", f"/tables/{view['id']}")).body
    assert after["scan_error"] == log["failures"][0]["reason"]
    assert [field["name"] for field in after["fields"]] == ["x"]
    assert after["last_scan_at"] == view["last_scan_at"]
    assert after["removed_at"] is None


async def test_a_scan_with_patterns_leaves_everything_else_alone(house: House, shop: SqliteTarget) -> None:
    await shop.run("CREATE TABLE a1 (x INTEGER)", "CREATE TABLE b1 (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])
    await shop.run("DROP TABLE a1", "DROP TABLE b1", "CREATE TABLE a2 (x INTEGER)")
    wanted = {"databases": ["main"], "include": [{"table": "a*"}], "exclude": [{"table": "?2"}]}
    log = await house.scan(datasource["id"], wanted)
    assert (log["status"], log["tables_removed"]) == ("success", 1)
    assert log["target"]["include"] == [{"schema": "*", "table": "a*"}]
    assert [table["name"] for table in await house.items("/tables")] == ["b1"]


async def test_a_schema_whose_listing_failed_loses_no_table(
    house: House, shop: SqliteTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.run("CREATE TABLE t (x INTEGER)")
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    await house.scan(datasource["id"])

    async def unlisted(_: SqliteScanner, __: str, ___: TableFilter) -> AsyncIterator[SchemaList | Unit]:
        yield SchemaList(("main",))
        yield Unit("main", failures=[TableFailure("main", None, "it is locked")], last=True)

    monkeypatch.setattr(SqliteScanner, "scan", unlisted)
    log = await house.scan(datasource["id"])
    assert (log["status"], log["tables_removed"]) == ("partial", 0)
    assert log["failures"] == [
        {"database": "main", "schema": "main", "table": None, "reason": "it is locked"}
    ]
    assert [table["name"] for table in await house.items("/tables")] == ["t"]


async def test_cursors_that_nobody_gave_are_bad_input_or_an_empty_page(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run(*SHOP)
    await house.system.create(house.tenant, FILE)
    datasource = await house.datasource()
    log = await house.scan(datasource["id"])
    (table,) = await house.items("/tables?name=customer")
    huge = 2**62
    far = encode_cursor(huge, UUID(int=1))
    assert await house.items(f"/fields?table_id={table['id']}&cursor={far}") == []
    assert await house.items(f"/sync-logs/{log['id']}/events?cursor={encode_cursor(huge)}") == []
    last = {"Last-Event-ID": str(10**17)}
    assert await house.items(f"/sync-logs/{log['id']}/events", headers=last) == []
    wrong = await house.call("GET", f"/tables?cursor={far}")
    assert (wrong.status, wrong.body["code"]) == (400, "invalid_cursor")
