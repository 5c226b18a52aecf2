"""A small world for runs: one ETL database, one target, messages in the air, runners that may die."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, delete, literal, select

from services.etl.models import Base, OutboxMessage
from services.etl.runner.repository import Claimed, Leases
from services.etl.runner.upkeep.loops import Reaper, Reconciler, Scheduler
from services.etl.runs import endings
from services.etl.runs.endings import Ending
from services.etl.runs.hints import RunHints
from services.etl.runs.models import Run, RunAttempt, RunEvent
from services.etl.runs.schemas import Runnable, RunParameters
from services.etl.runs.service import RunsService
from services.etl.runs.states import State
from shared.contracts.identity import TenantScope
from shared.db.session import Database, ReadSession
from shared.db.types import UtcDateTime
from shared.identifiers import DataTableId, ResourceId, RunId, TaskId, TenantId, uuid7

T = TypeVar("T")
TENANT = TenantScope(TenantId(UUID(int=1)))
USER = UUID(int=2)
TASKS = (TaskId(UUID(int=11)), TaskId(UUID(int=12)))
LIMIT = 7_200


class Clock:
    """A database clock that tests move; each look takes a millisecond, so that no two are the same."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self, offset: float = 0.0) -> ColumnElement[datetime]:
        self.moment += timedelta(milliseconds=1)
        return literal(self.moment + timedelta(seconds=offset), UtcDateTime())

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Tasks:
    """Each task fills a data table of its own."""

    async def runnable(self, scope: TenantScope, task_id: TaskId, parameters: RunParameters) -> Runnable:
        return Runnable(
            task_id=task_id,
            revision=1,
            name="load",
            table_id=DataTableId(task_id),
            table_key=str(task_id),
            resource_id=ResourceId(UUID(int=3)),
            single_writer=False,
            timeout_seconds=LIMIT,
        )


@dataclass
class Target:
    """What a target database promises: fences never go down, and the ledger has a run once."""

    fences: dict[str, int] = field(default_factory=dict)
    ledger: dict[RunId, int] = field(default_factory=dict)
    commits: list[tuple[str, int]] = field(default_factory=list)

    def commit(self, claimed: Claimed) -> bool | None:
        """True: committed now; False: adopted; None: refused, because a later fence was seen."""
        if self.fences.get(claimed.table_key, 0) > claimed.fence:
            return None
        self.fences[claimed.table_key] = claimed.fence
        if claimed.run_id in self.ledger:
            return False
        self.ledger[claimed.run_id] = claimed.fence
        self.commits.append((claimed.table_key, claimed.fence))
        return True

    def enter(self, claimed: Claimed) -> None:
        """What every attempt does first: nothing older may commit from now on."""
        key = claimed.table_key
        self.fences[key] = max(self.fences.get(key, 0), claimed.fence)

    def settle(self, claimed: Claimed) -> bool:
        """Whether the run's rows are there; if not, nothing older than this fence can bring them."""
        self.enter(claimed)
        return claimed.run_id in self.ledger


class Runner:
    """An attempt somewhere: it may be cut off from everything and still be at work."""

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed
        self.committed = False
        self.adopted = False


class World:
    """Everything between a POST and the target, step by step."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.Runner()
        self.clock = Clock()
        self.target = Target()
        self.messages: list[RunId] = []
        self.newest: dict[RunId, int] = {}
        self.hints = RunHints()
        self.database = Database(f"sqlite+aiosqlite:///{folder / 'etl.db'}")
        self.do(self._create())
        self.service = RunsService(self.database, Tasks(), self.hints, now=self.clock)
        keep: dict[str, Any] = {"jitter": lambda longest: longest, "now": self.clock}
        self.reaper = Reaper(self.database, self.hints, **keep)
        self.scheduler = Scheduler(self.database, self.hints, **keep)
        self.reconciler = Reconciler(self.database, self.hints, **keep)

    def do(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.loop.run(awaited())

    def close(self) -> None:
        self.do(self.database.close())
        self.loop.close()

    def start(self, task: TaskId, *, key: str | None, queue_behind: bool) -> Run:
        return self.do(
            self.service.start(
                TENANT, task, requested_by=USER, idempotency_key=key, queue_behind=queue_behind
            )
        )

    def relay(self) -> None:
        """Publish the outbox: its messages are in the air now."""
        self.messages += self.do(self._take_outbox())

    def upkeep(self) -> None:
        """Each loop looks once."""
        for loop in (self.reaper, self.scheduler, self.reconciler):
            self.do(loop.look())
        self.relay()

    def claim(self, run_id: RunId) -> Claimed | None:
        claimed = self._write(lambda leases: leases.claim(run_id, uuid7()))
        if claimed is not None:
            assert claimed.fence > self.newest.get(run_id, 0)
            self.newest[run_id] = claimed.fence
        return claimed

    def renew(self, claimed: Claimed) -> State | None:
        return self._write(lambda leases: leases.renew(claimed))

    def finish(self, claimed: Claimed, ending: Ending) -> State | None:
        """As `Attempt` does it: an ending that is refused is settled with the target first."""
        state = self._write(lambda leases: leases.finish(claimed, ending))
        if self.newest[claimed.run_id] != claimed.fence:
            assert state is None, "an attempt that was overtaken changes nothing"
        if state not in {State.RUNNING, State.CANCELLING}:
            return state
        if self.target.settle(claimed):
            settled = endings.success({}, adopted=True)
        else:
            asked = endings.stopped() if state is State.CANCELLING else ending
            settled = Ending(asked.event, asked.outcome, asked.trouble, settled=True)
        return self._write(lambda leases: leases.finish(claimed, settled))

    def runs(self) -> list[Run]:
        return self.everything()[0]

    def everything(self) -> tuple[list[Run], list[RunEvent], list[RunAttempt]]:
        async def read() -> tuple[list[Run], list[RunEvent], list[RunAttempt]]:
            async with self.database.read() as session:
                runs = await session.scalars(select(Run).order_by(Run.created_at))
                events = await session.scalars(select(RunEvent).order_by(RunEvent.run_id, RunEvent.seq))
                attempts = await session.scalars(select(RunAttempt))
                return list(runs), list(events), list(attempts)

        return self.do(read())

    def _write(self, change: Callable[[Leases], Awaitable[T]]) -> T:
        async def write() -> T:
            async with self.database.write() as session:
                return await change(Leases(session, self.clock))

        return self.do(write())

    async def _take_outbox(self) -> list[RunId]:
        rows = OutboxMessage.__table__
        async with self.database.write() as session:
            found = await _bodies(session, rows)
            await session.execute(delete(OutboxMessage))
        return found

    async def _create(self) -> None:
        async with self.database._writing.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)


async def _bodies(session: ReadSession, rows: Any) -> list[RunId]:
    result = await session.scalars(select(rows.c.data).order_by(rows.c.position))
    return [RunId(UUID(json.loads(data)["run_id"])) for data in result]
