"""A run and a change of the same table: never both at once, whoever comes first."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from services.etl.clients import SystemClient
from services.etl.files.service import FileService
from services.etl.files.store import LocalStore
from services.etl.pipeline.registry import steps
from services.etl.runner.repository import Leases
from services.etl.runs.models import Run
from services.etl.runs.rejected.store import RejectStore
from services.etl.tables.changing.carrying import Carrier, Order
from services.etl.tables.changing.errors import TableHasRun, TableHeld
from services.etl.tables.changing.states import ChangeKind
from services.etl.tables.changing.workshop import Workshop
from services.etl.tables.dialects import Work
from services.etl.tables.ghosts.inspecting import Inspecting
from services.etl.tables.physical import Place, Sight
from services.etl.tasks.jobs import TaskJobs
from services.etl.tasks.repository import TaskUses
from shared.contracts.identity import TenantScope
from shared.db import migrations
from shared.db.session import Database, WriteSession
from shared.http.client import ClientCredentials, ServiceClient
from shared.identifiers import DataTableId, RunId, TaskId, uuid7
from tests.api.etl_config import house as houses
from tests.api.etl_config.house import House
from tests.api.etl_config.tables import MORE, patched
from tests.servers.postgres import Dsn

ROUNDS = 12


class Nothing:
    """A change that changes nothing."""

    kind = ChangeKind.APPLY

    async def begin(self, session: WriteSession, row: Any) -> None:
        pass

    async def finish(self, session: WriteSession, row: Any, sight: Any) -> None:
        pass


class Hesitating(Nothing):
    """One that has found no run at work, and hasn't written down yet that it begins."""

    def __init__(self) -> None:
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()

    async def begin(self, session: WriteSession, row: Any) -> None:
        self.inside.set()
        await self.go_on.wait()


@dataclass
class Waiting:
    """A target whose work lasts until it is told to end."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def carry_out(self, place: Any, decide: Any, *, told: Any) -> Sight:
        decide(Sight(None, None))
        await self.go_on.wait()
        return Sight(None, None)


@dataclass
class Ground:
    """A queued run of a published table, and the means of both sides."""

    house: House
    database: Database
    jobs: TaskJobs
    table_id: DataTableId
    task_id: TaskId
    run_id: RunId

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.house.tenant)

    async def writes(self) -> bool:
        """As a runner: claim, then ask for the job. Whether the run may write now."""
        async with self.database.write() as session:
            assert await Leases(session).claim(self.run_id, uuid7()) is not None
        try:
            await self.jobs.job_of(self.scope, self.task_id, 1, run_id=self.run_id)
        except TableHeld:
            return False
        return True

    async def changes(self, target: Waiting, change: Nothing | None = None) -> bool:
        """Begin a change that goes on until it is told to end. Whether it may."""
        carrier = Carrier(
            self.database,
            users=TaskUses(steps()),
            workshop=Workshop(),
            inspecting=Inspecting(self.database, targets=None),  # type: ignore[arg-type]  # nothing fails here
            patience=0.0,
        )
        place = Place(self.table_id, None, ())  # type: ignore[arg-type]  # nobody looks there
        order = Order(change or Nothing(), target, place, lambda _: Work())  # type: ignore[arg-type]  # all that is asked of it
        try:
            await carrier.carry(self.scope, self.table_id, order, by=None)
        except TableHasRun:
            return False
        return True

    async def give_back(self) -> None:
        """The run is queued again, as after a lost attempt that wrote nothing."""
        async with self.database.write() as session:
            queued = update(Run).where(Run.id == self.run_id)
            await session.execute(queued.values(state="queued", lease_owner=None, lease_until=None))

    async def changing(self) -> Any:
        return (await self.house.call("GET", f"/data-tables/{self.table_id}", expect=200)).body["changing"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    """The migrated database of the ETL service."""
    if request.param == "sqlite":
        return database_url
    dsn: Dsn = request.getfixturevalue("postgres_database")
    migrations.upgrade(dsn.url, "etl")
    return dsn.url


@pytest.fixture
async def ground(tmp_path: Path, url: str) -> AsyncIterator[Ground]:
    async with houses.running(tmp_path, url) as house:
        database = Database(url)
        client = ServiceClient(
            house.settings.system_api, credentials=ClientCredentials("etl", house.settings.client_secret())
        )
        store, users = LocalStore(house.settings.files_folder), TaskUses(steps())
        files = FileService(database, store=store, users=users, limits=house.settings.file_limits)
        root = house.settings.sqlite_root
        jobs = TaskJobs(
            database,
            files=files,
            system=SystemClient(client),
            steps=steps(),
            sqlite_root=root,
            rejects=RejectStore(house.settings.files_folder),
        )
        task = await house.task()
        await house.publish({"id": task["table_id"]})
        run = (await house.call("POST", f"/tasks/{task['id']}/runs", expect=202)).body
        yield Ground(
            house,
            database,
            jobs,
            DataTableId(UUID(task["table_id"])),
            TaskId(UUID(task["id"])),
            RunId(UUID(run["id"])),
        )
        await client.close()
        await database.close()


async def free(ground: Ground) -> None:
    """Wait until no change holds the table."""
    async with asyncio.timeout(20):
        while True:
            if await ground.changing() is None:
                return
            await asyncio.sleep(0.01)


async def test_a_run_that_is_at_work_keeps_changes_away(ground: Ground) -> None:
    assert await ground.writes()

    assert not await ground.changes(Waiting())

    await ground.give_back()
    target = Waiting()
    assert await ground.changes(target)
    target.go_on.set()
    await free(ground)


async def test_a_run_waits_for_a_change_and_takes_what_came_of_it(ground: Ground) -> None:
    target = Waiting()
    assert await ground.changes(target)
    assert await ground.changing() is not None

    assert not await ground.writes()

    target.go_on.set()
    await free(ground)
    table = {"id": str(ground.table_id)}
    await ground.give_back()
    await patched(ground.house, table, columns=MORE, physical_name="departures")
    pending = await ground.jobs.job_of(ground.scope, ground.task_id, 1, run_id=ground.run_id)
    assert (pending.table.table_name, len(pending.table.columns)) == ("flights", 3)
    await ground.house.publish(table)
    job = await ground.jobs.job_of(ground.scope, ground.task_id, 1, run_id=ground.run_id)
    assert job.table.table_name == "departures"
    assert [column.name for column in job.table.columns][-1] == "gate"


async def test_of_a_run_and_a_change_that_come_together_at_most_one_goes_on(ground: Ground) -> None:
    for round_ in range(ROUNDS):
        target = Waiting()

        async def later(target: Waiting = target, round_: int = round_) -> bool:
            for _ in range(round_ * 2):
                await asyncio.sleep(0)
            return await ground.changes(target)

        writes, changes = await asyncio.gather(ground.writes(), later())

        assert not (writes and changes)
        target.go_on.set()
        await free(ground)
        await ground.give_back()


async def test_a_run_that_comes_while_a_change_begins_waits_for_it(ground: Ground) -> None:
    target, change = Waiting(), Hesitating()
    changing = asyncio.create_task(ground.changes(target, change))
    await asyncio.wait_for(change.inside.wait(), 10)

    writing = asyncio.create_task(ground.writes())
    await asyncio.wait({writing}, timeout=0.3)
    change.go_on.set()

    assert (await changing, await writing) == (True, False)
    target.go_on.set()
    await free(ground)


async def test_the_place_of_a_table_stays_while_a_change_is_under_way(ground: Ground) -> None:
    draft = await ground.house.draft(physical_name="other")
    target, held = Waiting(), DataTableId(UUID(draft["id"]))
    ground.table_id = held
    assert await ground.changes(target)

    moved = await ground.house.call(
        "PATCH",
        f"/data-tables/{held}",
        body={"resource_id": await ground.house.warehouse()},
        version=draft["version"],
    )

    assert moved.problem() == (409, "table_is_changing")
    target.go_on.set()
    await free(ground)
