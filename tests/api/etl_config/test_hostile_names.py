"""Names that people really use, from the draft over the plan, the publish and the rename to a run."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from shared.contracts.connection import PostgresqlConnection
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import patched, target
from tests.api.etl_config.test_mysql import resource as of_mariadb
from tests.api.etl_config.test_running import over
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

COLUMNS = [
    'he said "so"',
    "it's",
    "back`tick",
    "a.b.c",
    " led by a blank",
    "select",
    "%s %(x)s {y} :z ?",
    "back\\slash",
    "semi;colon -- /* no */",
    "航班 号",
    "é" * 31 + "x",
    "x" * 63,
]
BEFORE, AFTER = "or\"der` .by;'航", "ÿ" * 31 + '"'
ROWS = [[f"{row}.{column}" for column in range(len(COLUMNS))] for row in range(3)]

Rows = Callable[[str], Awaitable[list[Any]]]


@pytest.fixture
async def working(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with houses.running(tmp_path, database_url, runner=True) as house:
        yield house


async def test_sqlite_takes_any_name(working: House) -> None:
    resource = await working.warehouse()

    async def rows(name: str) -> list[Any]:
        quoted = name.replace('"', '""')
        with closing(target(working, {"resource_id": resource})) as connection:
            return connection.execute(f'SELECT * FROM "{quoted}"').fetchall()

    await require_a_life(working, resource, rows)


@pytest.mark.postgres
async def test_postgresql_takes_any_name(working: House, postgres_database: Dsn) -> None:
    dsn = postgres_database
    info = PostgresqlConnection(
        host=dsn.host,
        port=dsn.port,
        database=dsn.database,
        user=dsn.user,
        password=SecretStr(dsn.password),
        tls="disable",
    )
    resource = str(await working.system.create(working.tenant, info, told=False))

    async def rows(name: str) -> list[Any]:
        quoted = name.replace('"', '""')
        return list(await dsn.fetch(f'SELECT * FROM "{quoted}"'))

    await require_a_life(working, resource, rows)


@pytest.mark.mariadb
async def test_mariadb_takes_any_name(working: House, mariadb_database: MariaDsn) -> None:
    async def rows(name: str) -> list[Any]:
        quoted = name.replace("`", "``")
        return list(await mariadb_database.fetch(f"SELECT * FROM `{quoted}`"))

    await require_a_life(working, await of_mariadb(working, mariadb_database), rows)


async def require_a_life(house: House, resource: str, rows: Rows) -> None:
    """A table is published and filled; then it and all its columns are renamed, and it is filled again."""
    columns = [{"name": name, "type": "varchar(40)", "comment": name} for name in COLUMNS]
    table = await house.draft(
        resource_id=resource, physical_name=BEFORE, columns=columns, primary_key=[], comment=BEFORE
    )
    await house.publish(table)
    await require_filled(house, table, COLUMNS)

    turned = [*COLUMNS[1:], COLUMNS[0]]
    named = [
        {**one, "id": known["id"], "name": name}
        for one, known, name in zip(columns, table["columns"], turned, strict=True)
    ]
    key = [{"columns": [COLUMNS[3]]}]
    pending = await patched(house, table, physical_name=AFTER, columns=named, indexes=key)
    plan = await house.plan(table)
    done = await house.publish(table)
    await require_filled(house, table, turned)

    assert (pending["sync_state"], done["sync_state"]) == ("pending", "synced")
    assert {one["risk"] for one in plan["statements"]} <= {"safe", "locks"}
    assert (await house.plan(table))["kind"] == "none"
    assert sorted(await rows(AFTER)) == sorted(tuple(row) for row in ROWS * 2)


async def require_filled(house: House, table: Any, names: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([names, *ROWS])
    file = await house.file(text.getvalue().encode())
    declared = [{"name": name, "type": "text"} for name in names]
    casts = [{"column": name, "type": "varchar(40)"} for name in names]
    body = {
        "name": f"Task {file['id']}",
        "source": {"loader": "csv", "params": {"file_id": file["id"], "columns": declared}},
        "steps": [
            {"step": "cast_types", "params": {"columns": casts}},
            {"step": "database_save", "params": {"table_id": table["id"], "mode": "append"}},
        ],
    }
    task = (await house.call("POST", "/tasks", body=body, expect=201)).body
    run = await over(house, task)
    assert run["state"] == "succeeded", run
