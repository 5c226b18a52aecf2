"""What the tests of data tables share."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any
from uuid import UUID

from shared.contracts.connection import SqliteConnection
from tests.api.etl_config.house import COLUMNS, House

MORE: list[dict[str, Any]] = [*COLUMNS, {"name": "gate", "type": "text", "comment": "Where."}]


def target(house: House, table: Any) -> sqlite3.Connection:
    info = house.system.resources[UUID(table["resource_id"])].connection
    assert isinstance(info, SqliteConnection)
    assert house.settings.sqlite_root is not None
    return sqlite3.connect(house.settings.sqlite_root / "acme" / info.file)


async def run(house: House, table: Any, sql: str) -> None:
    with closing(target(house, table)) as connection, connection:
        connection.execute(sql)


async def state(house: House, table: Any) -> tuple[str, str | None]:
    found = (await house.call("GET", f"/data-tables/{table['id']}", expect=200)).body
    return found["state"], found["sync_state"]


async def patched(house: House, table: Any, **changes: Any) -> Any:
    path = f"/data-tables/{table['id']}"
    version = (await house.call("GET", path)).body["version"]
    return (await house.call("PATCH", path, body=changes, version=version, expect=200)).body


async def process_is_gone(house: House) -> None:
    """The process that was changing a table isn't heard of any more."""

    def forget() -> None:
        with closing(sqlite3.connect(house.settings.var / "etl.db")) as books, books:
            books.execute("UPDATE data_table SET changing_until = '2000-01-01 00:00:00.000000'")

    # In a thread: a background of the service may hold the database's one writer just now.
    await asyncio.to_thread(forget)


async def history(house: House, table: Any) -> list[Any]:
    found = await house.call("GET", f"/data-tables/{table['id']}/history", expect=200)
    items: list[Any] = found.body["items"]
    return items
