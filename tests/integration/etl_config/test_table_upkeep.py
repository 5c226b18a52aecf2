"""What looks after data tables by itself, and work that outlives its request."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from services.etl.tables.changing.repository import Holds
from services.etl.tables.changing.states import ChangeKind
from services.etl.tables.changing.workshop import Workshop
from services.etl.tables.ghosts.inspecting import Inspecting, Inspection
from services.etl.tables.ghosts.upkeep import TableUpkeep
from services.etl.tables.models import DataTable, DataTableChange
from shared.contracts.identity import TenantScope
from shared.db import migrations
from shared.db.session import Database
from shared.db.types import utc_now
from shared.identifiers import DataTableId, TenantId, uuid7
from tests.servers.postgres import Dsn

SCOPE = TenantScope(TenantId(uuid7()))


class Looks(Inspecting):
    """Counts how often all tables are looked at."""

    def __init__(self) -> None:
        self.times = 0
        self.again: list[UUID] = []

    async def look_again(self, table_ids: Sequence[UUID]) -> list[Inspection]:
        self.again += table_ids
        return []

    async def inspect_everybody(self) -> list[Inspection]:
        self.times += 1
        return []


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    dsn: Dsn | None = None
    if request.param == "postgresql":
        dsn = request.getfixturevalue("postgres_database")
    found = dsn.url if dsn else f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"
    migrations.upgrade(found, "etl")
    return found


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


async def draft(database: Database) -> DataTableId:
    async with database.write() as session:
        row = DataTable(
            tenant_id=SCOPE.tenant_id,
            display_name="T",
            description="",
            resource_id=uuid7(),
            resource_type="sqlite",
            physical_name="t",
            location_key="t",
            definition={"columns": []},
            revision=1,
            state="draft",
        )
        session.add(row)
        await session.flush()
        return DataTableId(row.id)


async def test_of_many_processes_one_inspects_each_time(database: Database) -> None:
    looks = Looks()
    upkeeps = [TableUpkeep(database, looks, minutes=60) for _ in range(5)]

    await asyncio.gather(*(upkeep.look() for upkeep in upkeeps))
    assert looks.times == 1

    soon = TableUpkeep(database, looks, minutes=1e-9)
    await soon.look()
    assert looks.times == 1, "the turn of an hour isn't over"


async def test_the_turn_comes_again_and_never_without_minutes(database: Database) -> None:
    looks = Looks()
    often, never = TableUpkeep(database, looks, minutes=1e-9), TableUpkeep(database, looks, minutes=0)

    await never.look()
    assert looks.times == 0
    async with asyncio.timeout(10):
        while looks.times < 3:
            await often.look()


async def begun(database: Database, table_id: DataTableId) -> DataTableChange:
    async with database.write() as session:
        holds = Holds(session)
        return await holds.begin(await holds.locked(SCOPE, table_id), ChangeKind.PUBLISH, by=None)


async def states(database: Database) -> list[str]:
    async with database.read() as session:
        found = await session.scalars(select(DataTableChange.state).order_by(DataTableChange.id))
        return list(found.all())


async def test_a_change_whose_lease_is_over_is_lost_and_one_at_work_is_not(database: Database) -> None:
    first, second = await draft(database), await draft(database)
    await begun(database, first)
    lost = await begun(database, second)
    async with database.write() as session:
        holds = Holds(session, lambda seconds: utc_now(seconds - 3600))
        await holds._hold(lost.table_id, changing_until=utc_now(-1.0))

    looks = Looks()
    await TableUpkeep(database, looks, minutes=0).look()

    assert await states(database) == ["running", "lost"]
    assert looks.again == [second]
    again = await begun(database, second)
    assert again.id != lost.id
    assert await states(database) == ["running", "lost", "running"]


class Stuck(Looks):
    """Looks at a target that doesn't answer."""

    def __init__(self) -> None:
        super().__init__()
        self.inspecting, self.looked_again = asyncio.Event(), asyncio.Event()

    async def look_again(self, table_ids: Sequence[UUID]) -> list[Inspection]:
        if table_ids:
            self.looked_again.set()
        return []

    async def inspect_everybody(self) -> list[Inspection]:
        self.inspecting.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_lost_changes_are_found_while_an_inspection_takes_long(database: Database) -> None:
    looks, stop = Stuck(), asyncio.Event()
    upkeep = TableUpkeep(database, looks, minutes=60, seconds=0.01)
    running = asyncio.create_task(upkeep.run(stop))
    await asyncio.wait_for(looks.inspecting.wait(), 10)

    table_id = await draft(database)
    await begun(database, table_id)
    async with database.write() as session:
        await Holds(session)._hold(table_id, changing_until=utc_now(-1.0))

    await asyncio.wait_for(looks.looked_again.wait(), 10)
    stop.set()
    await asyncio.wait_for(running, 10)
    assert await states(database) == ["lost"]


async def test_a_version_that_was_read_stays_good_while_a_change_holds_the_table(database: Database) -> None:
    table_id = await draft(database)
    async with database.read() as session:
        before = await session.get(DataTable, table_id)

    await begun(database, table_id)

    async with database.read() as session:
        after = await session.get(DataTable, table_id)
    assert before is not None
    assert after is not None
    assert (after.version, after.updated_at) == (before.version, before.updated_at)
    assert after.changing_id is not None


async def test_a_workshop_waits_for_its_work_and_ends_it_when_it_is_cancelled() -> None:
    workshop, go_on, ended = Workshop(), asyncio.Event(), []

    async def work() -> str:
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return "done"

    assert await workshop.carry_out(work(), patience=0.0) is None
    go_on.set()
    await asyncio.wait_for(workshop.close(), 10)
    assert ended == ["done"]

    go_on.clear()
    assert await workshop.carry_out(work(), patience=0.0) is None
    closing = asyncio.create_task(workshop.close())
    await asyncio.wait({closing}, timeout=0.05)
    closing.cancel()
    await asyncio.wait({closing})
    assert ended == ["done", "cancelled"]
