"""A worker's surroundings without HTTP: a database, a bus, and a sync log to work on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from services.meta.models import OutboxMessage
from services.meta.sync.models import SyncLog
from services.meta.sync.notices import Notices
from services.meta.sync.worker import Limits, Perform, ScanWorker
from shared.bus.memory import MemoryBus
from shared.db.relay import Relay
from shared.db.session import Database
from shared.identifiers import TenantId
from shared.process.background import Background

PATIENCE = 20.0


@dataclass
class Bench:
    """What the tests work on."""

    database: Database
    bus: MemoryBus
    notices: Notices
    tenant: TenantId

    async def log(self) -> SyncLog:
        """The one sync log."""
        async with self.database.read() as session:
            found: SyncLog = (await session.scalars(select(SyncLog))).one()
            return found

    async def until(self, status: str) -> SyncLog:
        """The sync log, once it has a status."""
        return await self.until_log(lambda log: log.status == status)

    async def until_log(self, good: Callable[[SyncLog], bool]) -> SyncLog:
        """The sync log, once it is good."""
        async with asyncio.timeout(PATIENCE):
            while True:
                log = await self.log()
                if good(log):
                    return log
                await asyncio.sleep(0.01)

    async def change(self, statement: str, **values: Any) -> None:
        async with self.database.write() as session:
            await session.execute(text(statement), values)

    async def expire_lease(self) -> None:
        await self.change("UPDATE sync_log SET lease_until = '2020-01-01 00:00:00.000000'")

    async def lose_messages(self) -> None:
        """Whatever waits to be published is gone."""
        await self.change("DELETE FROM outbox")

    def worker(self, perform: Perform, **limits: Any) -> ScanWorker:
        return ScanWorker(
            self.database, self.bus, perform, notices=self.notices, limits=Limits(**({"beat": 0.05} | limits))
        )

    @asynccontextmanager
    async def running(self, *backgrounds: Background) -> AsyncIterator[None]:
        """Backgrounds and the relay, until the block ends; then they are asked to stop."""
        stop = asyncio.Event()
        relay = Relay(self.database, self.bus, OutboxMessage)
        async with asyncio.TaskGroup() as tasks:
            for background in (relay, *backgrounds):
                tasks.create_task(background.run(stop))
            try:
                yield
            finally:
                stop.set()
