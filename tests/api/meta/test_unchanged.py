"""An unchanged table costs one comparison and no write."""

import sqlite3

from shared.contracts.connection import SqliteConnection
from tests.api.meta.house import House
from tests.contract.meta.targets import SqliteTarget

WATCHED = ("catalog_table", "catalog_field", "catalog_table_stat")


def watch(house: House) -> sqlite3.Connection:
    """Count every write to the catalog's tables from now on."""
    connection = sqlite3.connect(house.settings.var / "meta.db", isolation_level=None)
    connection.execute("CREATE TABLE written (name TEXT)")
    for table in WATCHED:
        for action in ("INSERT", "UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER watch_{table}_{action} AFTER {action} ON {table}"
                f" BEGIN INSERT INTO written VALUES ('{table}'); END"
            )
    return connection


async def test_a_second_scan_of_unchanged_tables_writes_none_of_them(
    house: House, shop: SqliteTarget
) -> None:
    await shop.run(*(f"CREATE TABLE t{number} (a INTEGER, b TEXT)" for number in range(30)))
    await house.system.create(house.tenant, SqliteConnection(file="shop.db"))
    datasource = (await house.datasource())["id"]
    await house.scan(datasource)
    (first,) = await house.items("/tables?name=t7")
    connection = watch(house)
    log = await house.scan(datasource)
    assert (log["tables_scanned"], log["tables_changed"]) == (30, 0)
    assert connection.execute("SELECT count(*) FROM written").fetchone() == (0,)
    (second,) = await house.items("/tables?name=t7")
    assert second["last_scan_at"] > first["last_scan_at"]
    await shop.run("ALTER TABLE t3 ADD COLUMN c INTEGER", "INSERT INTO t4 VALUES (1, 'x')")
    log = await house.scan(datasource)
    assert log["tables_changed"] == 1
    written = connection.execute("SELECT name, count(*) FROM written GROUP BY name").fetchall()
    connection.close()
    # t3: its row, its two old fields marked and written again, a new one, its statistics; t4: statistics.
    assert dict(written) == {"catalog_table": 1, "catalog_field": 5, "catalog_table_stat": 2}
    (counted,) = await house.items("/tables?name=t4")
    assert counted["row_count"] == 1
