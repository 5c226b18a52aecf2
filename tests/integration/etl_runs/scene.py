"""Runs with everything around them but the data path: tasks and executor are played."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from services.etl.models import Base, OutboxMessage
from services.etl.pipeline.job import Counts, Job, JobSource, JobSpec, JobTarget
from services.etl.runner.loop import Runner
from services.etl.runner.means import Means, Timing
from services.etl.runner.messages import ChildMessage, Outcome, Succeeded
from services.etl.runner.upkeep.loops import Reaper, Reconciler, Scheduler
from services.etl.runs.hints import RunHints
from services.etl.runs.models import Run, RunEvent
from services.etl.runs.rejected.schemas import RejectView
from services.etl.runs.rejected.service import RejectedRows
from services.etl.runs.rejected.store import RejectStore
from services.etl.runs.schemas import NO_PARAMETERS, Runnable, RunParameters
from services.etl.runs.service import RunsService
from services.etl.runs.states import TERMINAL, State
from shared import clock
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.contracts.identity import TenantScope
from shared.db.relay import Relay
from shared.db.session import Database
from shared.identifiers import DataTableId, FileId, ResourceId, RunId, TaskId, TenantId
from shared.process.background import Background, Supervisor

T = TypeVar("T")
OnMessage = Callable[[ChildMessage], Awaitable[None]]
Play = Callable[[Job, OnMessage], Awaitable[Outcome]]

TENANT = TenantScope(TenantId(UUID(int=1)))
STRANGER = TenantScope(TenantId(UUID(int=99)))
USER = UUID(int=2)
RESOURCE = ResourceId(UUID(int=3))
FILE = FileId(UUID(int=4))
TASK, OTHER_TASK = TaskId(UUID(int=11)), TaskId(UUID(int=12))
QUICK = Timing(heartbeat=0.1, self_fence=20.0, note=0.05, settle=1.0, again=0.05)
COUNTS = Counts(read=3, written=3, inserted=3)


class Tasks:
    """Every task id is a task with a table of its own in one resource."""

    def __init__(self, *, single_writer: bool = False, timeout_seconds: int = 600) -> None:
        self.single_writer = single_writer
        self.timeout_seconds = timeout_seconds
        self.error: Exception | None = None

    async def runnable(
        self, scope: TenantScope, task_id: TaskId, parameters: RunParameters = NO_PARAMETERS
    ) -> Runnable:
        return Runnable(
            task_id=task_id,
            revision=1,
            name="load",
            table_id=DataTableId(task_id),
            table_key=str(task_id),
            resource_id=RESOURCE,
            single_writer=self.single_writer,
            timeout_seconds=self.timeout_seconds,
        )

    async def job_of(
        self,
        scope: TenantScope,
        task_id: TaskId,
        revision: int,
        *,
        run_id: RunId,
        parameters: RunParameters = NO_PARAMETERS,
    ) -> JobSpec:
        if self.error is not None:
            raise self.error
        connection = ResourceConnection(
            resource_id=RESOURCE,
            tenant_id=scope.tenant_id,
            tenant_folder="default",
            name="warehouse",
            version=1,
            connection=SqliteConnection(file="warehouse.db"),
            expires_at=clock.now(),
        )
        target = JobTarget(connection=connection, table_name="t", columns=[])
        source = JobSource(loader="csv", params={})
        return JobSpec(source=source, steps=[], target=target, restart=parameters.restart)

    async def replayed_file(self, *_: object, **__: object) -> FileId:
        return FILE


async def succeed(job: Job, on_message: OnMessage) -> Outcome:
    return Succeeded(counts=COUNTS)


class PlayedExecutor:
    """Plays one play after the other, the last one again and again; keeps a ledger of what it committed."""

    def __init__(self) -> None:
        self.plays: list[Play] = [succeed]
        self.jobs: list[Job] = []
        self.ledger: set[UUID] = set()
        self.at_work = 0
        self.most_at_work = 0
        self.settled: list[Job] = []
        self.settle_error: Exception | None = None
        self.settle_gate: asyncio.Event | None = None

    async def execute(self, job: Job, on_message: OnMessage) -> Outcome:
        self.jobs.append(job)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            if job.run_id in self.ledger:
                return Succeeded(counts=COUNTS, adopted=True)
            play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
            outcome = await play(job, on_message)
        finally:
            self.at_work -= 1
        if isinstance(outcome, Succeeded):
            self.ledger.add(job.run_id)
        return outcome

    def has_committed(self, runs: int) -> Callable[[], Awaitable[bool]]:
        """Whether so many runs are in the ledger."""

        async def look() -> bool:
            return len(self.ledger) >= runs

        return look

    async def settle(self, job: Job) -> Succeeded | None:
        if self.settle_error is not None:
            raise self.settle_error
        if self.settle_gate is not None:
            await self.settle_gate.wait()
        self.settled.append(job)
        return Succeeded(counts=COUNTS, adopted=True) if job.run_id in self.ledger else None


class Gate:
    """A play that waits until it is let on."""

    def __init__(self, then: Play = succeed) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self._then = then

    async def __call__(self, job: Job, on_message: OnMessage) -> Outcome:
        self.reached.set()
        await self.open.wait()
        return await self._then(job, on_message)


class Scene:
    """One ETL database with its service; runners and loops are started as a test needs them."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.rejects = RejectStore(folder)
        self.tasks = Tasks()
        self.executor = PlayedExecutor()
        self.hints = RunHints()
        self.bus = MemoryBus()
        self.service = RunsService(database, self.tasks, self.hints)
        self.rejected = RejectedRows(database, store=self.rejects, runs=self.service, tasks=self.tasks)
        self.loops: list[Background] = []

    def means(self, *, timing: Timing = QUICK) -> Means:
        return Means(
            database=self.database,
            jobs=self.tasks,
            executor=self.executor,
            hints=self.hints,
            rejects=self.rejects,
            timing=timing,
            jitter=lambda _: 0.0,
        )

    def runner(self, *, slots: int = 1, grace: float = 5.0, timing: Timing = QUICK) -> Runner:
        return Runner(self.means(timing=timing), self.bus, slots=slots, grace=grace)

    def upkeep(self) -> list[Background]:
        kinds = (Reaper, Scheduler, Reconciler)
        return [kind(self.database, self.hints, seconds=0.2, jitter=lambda _: 0.0) for kind in kinds]

    @asynccontextmanager
    async def at_work(self, *backgrounds: Background) -> AsyncIterator[None]:
        """The relay, the loops and a runner, or the given backgrounds, until the end of the block."""
        await self.bus.declare(TOPOLOGY)
        wanted = backgrounds or (self.runner(), *self.upkeep())
        relay = Relay(self.database, self.bus, OutboxMessage, poll=0.05)
        async with Supervisor(relay, *wanted, patience=20.0):
            yield

    async def start(self, task: TaskId = TASK, **options: Any) -> Run:
        return await self.service.start(TENANT, task, requested_by=USER, **options)

    async def run(self, run_id: UUID) -> Run:
        return (await self.service.get(TENANT, RunId(run_id)))[0]

    async def events(self, run_id: UUID) -> list[RunEvent]:
        return list(await self.service.events(TENANT, RunId(run_id), after=0, limit=500))

    async def becomes(self, run_id: UUID, *states: State) -> Run:
        """The run, once it is in one of these states."""

        async def reached() -> Run | None:
            run = await self.run(run_id)
            assert run.state in states or State(run.state) not in TERMINAL, run.state
            return run if run.state in states else None

        return await eventually(reached)

    async def rejects_of(self, run_id: UUID) -> list[RejectView]:
        found = await self.rejected.listed(TENANT, RunId(run_id), after=0, limit=10_000)
        return list(found)

    async def outbox(self) -> int:
        async with self.database.read() as session:
            return len((await session.scalars(select(OutboxMessage.__table__.c.id))).all())


async def eventually(look: Callable[[], Awaitable[T | None]], *, seconds: float = 30.0) -> T:
    """What `look` finds as soon as it finds something true."""
    async with asyncio.timeout(seconds):
        while not (found := await look()):  # noqa: ASYNC110 - what is looked at tells nobody
            await asyncio.sleep(0.01)
    return found


async def database_at(url: str) -> Database:
    """A database with the tables of the ETL service."""
    database = Database(url)
    async with database._writing.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return database


def sqlite_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'etl.db'}"
