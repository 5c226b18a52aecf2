"""Changes whose process ends before them, or isn't heard of for some time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from services.etl.tables.changing.carrying import Carried, Carrier, Order
from services.etl.tables.changing.repository import Holds, Progress
from services.etl.tables.changing.states import ChangeKind, ChangeState
from services.etl.tables.changing.workshop import Workshop
from services.etl.tables.dialects import Work
from services.etl.tables.ghosts.inspecting import Inspecting, Inspection
from services.etl.tables.ghosts.upkeep import TableUpkeep
from services.etl.tables.models import DataTable, DataTableChange
from services.etl.tables.physical import Place, Sight
from shared.contracts.identity import TenantScope
from shared.db import migrations
from shared.db.session import Database, WriteSession
from shared.db.types import utc_now
from shared.identifiers import DataTableId, TenantId, uuid7

SCOPE = TenantScope(TenantId(uuid7()))


class Nothing:
    """A change that changes nothing."""

    kind = ChangeKind.APPLY

    async def begin(self, session: WriteSession, row: Any) -> None:
        pass

    async def finish(self, session: WriteSession, row: Any, sight: Any) -> None:
        pass


class Endless:
    """A target that never comes to an end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def carry_out(self, place: Any, decide: Any, *, told: Any) -> Sight:
        decide(Sight(None, None))
        self.begun.set()
        await asyncio.Event().wait()
        raise AssertionError


class Nobody:
    """No run writes the table."""

    async def writing_run(self, *_: Any) -> None:
        return None


class Looks(Inspecting):
    """Remembers which tables it was to look at again."""

    def __init__(self) -> None:
        self.again: list[UUID] = []

    async def look_again(self, table_ids: Sequence[UUID]) -> list[Inspection]:
        self.again += table_ids
        return []


class Bench:
    """A data table, and whoever carries out a change of it that doesn't end."""

    def __init__(self, database: Database, table_id: DataTableId) -> None:
        self.database, self.table_id = database, table_id
        self.workshop, self.target, self.looks = Workshop(), Endless(), Looks()

    async def change(self, *, to_the_end: bool = False, patience: float = 0.0) -> Carried:
        carrier = Carrier(
            self.database,
            users=Nobody(),  # type: ignore[arg-type]  # all that is asked of them
            workshop=self.workshop,
            inspecting=self.looks,
            patience=patience,
        )
        place = Place(self.table_id, None, ())  # type: ignore[arg-type]  # nobody looks there
        order = Order(Nothing(), self.target, place, lambda _: Work(), to_the_end=to_the_end)  # type: ignore[arg-type]  # all that is asked of it
        return await carrier.carry(SCOPE, self.table_id, order, by=None)

    async def ended(self) -> None:
        """As a supervisor that won't wait."""
        closing = asyncio.create_task(self.workshop.close())
        await asyncio.wait({closing}, timeout=0.05)
        closing.cancel()
        await asyncio.wait({closing})

    async def looked(self) -> str:
        """The state of its one change after the next look at what was lost."""
        await TableUpkeep(self.database, self.looks, minutes=0).look()
        return await self.state()

    async def state(self) -> str:
        async with self.database.read() as session:
            (found,) = (await session.scalars(select(DataTableChange.state))).all()
            return str(found)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'etl.db'}"
    migrations.upgrade(url, "etl")
    database = Database(url)
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
        table_id = DataTableId(row.id)
    bench = Bench(database, table_id)
    yield bench
    await bench.ended()
    await database.close()


async def test_a_process_that_ends_leaves_its_tables_to_whoever_looks_next(bench: Bench) -> None:
    await bench.change()
    await asyncio.wait_for(bench.target.begun.wait(), 10)
    assert await bench.looked() == "running"

    await bench.ended()

    assert await bench.looked() == "lost"
    assert bench.looks.again == [bench.table_id]


async def test_nobody_waits_for_a_change_in_a_process_that_is_about_to_end(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.change(patience=60.0))
    await asyncio.wait_for(bench.target.begun.wait(), 10)

    bench.workshop.end()

    assert not (await asyncio.wait_for(waiting, 10)).over


async def test_whoever_waits_to_the_end_takes_the_change_along_when_interrupted(bench: Bench) -> None:
    waiting = asyncio.create_task(bench.change(to_the_end=True))
    await asyncio.wait_for(bench.target.begun.wait(), 10)

    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    assert await bench.looked() == "lost"


async def test_a_change_that_was_taken_for_lost_and_is_heard_of_again_goes_on(bench: Bench) -> None:
    async with bench.database.write() as session:
        holds = Holds(session)
        change = await holds.begin(await holds.locked(SCOPE, bench.table_id), ChangeKind.APPLY, by=None)
        await holds._hold(bench.table_id, changing_until=utc_now(-1.0))
    assert await bench.looked() == "lost"

    async with bench.database.write() as session:
        assert await Holds(session).renew(change, Progress())
    assert await bench.looked() == "running"
    async with bench.database.write() as session:
        await Holds(session).end(change, ChangeState.DONE, progress=Progress())

    assert await bench.state() == "done"


async def test_the_end_of_a_change_that_was_taken_for_lost_is_told(bench: Bench) -> None:
    async with bench.database.write() as session:
        holds = Holds(session)
        change = await holds.begin(await holds.locked(SCOPE, bench.table_id), ChangeKind.APPLY, by=None)
        await holds._hold(bench.table_id, changing_until=utc_now(-1.0))
    assert await bench.looked() == "lost"

    async with bench.database.write() as session:
        await Holds(session).end(change, ChangeState.DONE, progress=Progress())

    assert await bench.state() == "done"


async def test_a_lost_change_ended_when_it_was_lost_not_when_the_next_one_began(bench: Bench) -> None:
    async with bench.database.write() as session:
        holds = Holds(session)
        await holds.begin(await holds.locked(SCOPE, bench.table_id), ChangeKind.APPLY, by=None)
        await holds._hold(bench.table_id, changing_until=utc_now(-1.0))
    assert await bench.looked() == "lost"
    before = await finished(bench.database)

    async with bench.database.write() as session:
        later = Holds(session, lambda seconds: utc_now(seconds + 60))
        await later.require_free(await later.locked(SCOPE, bench.table_id))

    assert await finished(bench.database) == before


async def finished(database: Database) -> list[datetime | None]:
    async with database.read() as session:
        return list((await session.scalars(select(DataTableChange.finished_at))).all())
