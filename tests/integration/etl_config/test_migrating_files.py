"""Tasks and runs of before files were destinations stay as they are, and new ones may write files."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.db import migrations
from shared.identifiers import uuid7
from tests.servers.postgres import Dsn


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"
    dsn: Dsn = request.getfixturevalue("postgres_database")
    return dsn.url


async def tables(connection: AsyncConnection) -> sa.MetaData:
    found = sa.MetaData()
    await connection.run_sync(found.reflect)
    return found


def row(table: sa.Table, **given: Any) -> dict[str, Any]:
    """A row with some value in each column that wants one."""
    values: dict[type[Any], Any] = {int: 1, bool: False, str: "x"}
    made: dict[str, Any] = {}
    for column in table.columns:
        if not column.nullable and column.server_default is None and column.name not in given:
            text = str(column.type).upper()
            if text.startswith(("UUID", "CHAR")):
                made[column.name] = str(uuid7())
            elif "TIME" in text or "DATE" in text:
                made[column.name] = sa.func.now()
            elif "JSON" in text:
                made[column.name] = sa.text("'{}'")
            else:
                made[column.name] = values[column.type.python_type]
    return made | given


async def before(url: str) -> dict[str, list[Any]]:
    """Rows of the third schema: a task with a revision, and a run of it with an attempt and an event."""
    engine = create_async_engine(url)
    task, run = str(uuid7()), str(uuid7())
    async with engine.begin() as connection:
        known = (await tables(connection)).tables
        for name, given in {
            "task": {"id": task, "name_key": "load"},
            "task_revision": {"task_id": task},
            "run": {"id": run, "task_id": task, "active_key": "table:x", "idempotency_key": "once"},
            "run_attempt": {"run_id": run},
            "run_event": {"run_id": run},
        }.items():
            await connection.execute(sa.insert(known[name]).values(row(known[name], **given)))
    await engine.dispose()
    return await rows(url)


NAMES = ("task", "task_revision", "run", "run_attempt", "run_event")
ADDED = {("run", "file")}


async def rows(url: str) -> dict[str, list[Any]]:
    """All rows of what tasks and runs are, in the columns of the third schema."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        known = (await tables(connection)).tables
        found = {}
        for name in NAMES:
            columns = [column for column in known[name].columns if (name, column.name) not in ADDED]
            found[name] = [tuple(one) for one in await connection.execute(sa.select(*columns))]
    await engine.dispose()
    return found


async def rules(url: str) -> dict[str, Any]:
    """What tasks and runs are held to: keys, indexes and references."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found: dict[str, Any] = await connection.run_sync(_rules)
    await engine.dispose()
    return found


def _rules(connection: sa.Connection) -> dict[str, Any]:
    seen = sa.inspect(connection)
    return {
        name: (
            sorted((one["name"], one["column_names"], bool(one["unique"])) for one in seen.get_indexes(name)),
            sorted(one["column_names"] for one in seen.get_unique_constraints(name)),
            seen.get_pk_constraint(name)["constrained_columns"],
            [(one["constrained_columns"], one["referred_table"]) for one in seen.get_foreign_keys(name)],
        )
        for name in NAMES
    }


async def insert(url: str, name: str, **given: Any) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            table = (await tables(connection)).tables[name]
            await connection.execute(sa.insert(table).values(row(table, **given)))
    finally:
        await engine.dispose()


async def test_what_there_was_stays_and_a_file_may_take_the_place_of_a_table(url: str) -> None:
    await migrations_to(url, "0003")
    old, held = await before(url), await rules(url)

    await migrations_to(url, "0004")

    assert (await rows(url), await rules(url)) == (old, held)
    await insert(url, "task", table_id=None, file_id=None)
    await insert(url, "run", table_id=None, resource_id=None, active_key="file:x")
    with pytest.raises(sa.exc.IntegrityError):
        await insert(url, "run", table_id=None, resource_id=None, active_key="file:x")


async def migrations_to(url: str, revision: str) -> None:
    """Upgrade in a thread, as services do when they start."""
    await asyncio.to_thread(command.upgrade, migrations._config(url, "etl"), revision)
