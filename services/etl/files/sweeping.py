"""Removal of what nobody comes back for: uploads that were given up, what lost runs had begun to write, and
bytes that no row knows.
"""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared import clock as clocks
from shared.clock import Clock
from shared.contracts.identity import TenantScope
from shared.db.session import Database
from shared.errors import Transient
from shared.identifiers import TenantId
from shared.observe import logs
from shared.process.waiting import until

from .errors import UploadBusy
from .repository import Files, WritableFiles
from .store import Store

_log = logs.get(__name__)
ABANDONED_AFTER: Final = timedelta(hours=24)
"""An upload that got no byte for so long is given up."""
UNKNOWN_AFTER: Final = timedelta(hours=1)
"""Bytes without a row are what a crash between the two halves of a deletion left."""
_AT_ONCE: Final = 500


class Sweeper:
    """A background that sweeps every `seconds`, at once when it starts. Any number of them may run."""

    def __init__(
        self, database: Database, store: Store, *, seconds: float = 3600.0, clock: Clock = clocks.now
    ) -> None:
        self._database = database
        self._store = store
        self._seconds = seconds
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set; while the database or the folder is away, try again later."""
        while not stop.is_set():
            try:
                await self.sweep()
            except (Transient, OSError) as error:
                _log.warning("sweep_delayed", reason=type(error).__name__)
            await until(asyncio.sleep(self._seconds), stop)

    async def sweep(self) -> None:
        """Sweep once."""
        now = self._clock()
        await self._sweep_uploads(now - ABANDONED_AFTER)
        await self._sweep_bytes(now - UNKNOWN_AFTER)
        if dropped := await self._store.drop_parts(now - UNKNOWN_AFTER):
            _log.info("unfinished_files_removed", files=dropped)

    async def _sweep_uploads(self, since: datetime) -> None:
        async with self._database.read() as session:
            found = [
                (TenantScope(TenantId(row.tenant_id)), row.id)
                for row in await Files(session).abandoned(since, most=_AT_ONCE)
            ]
        for scope, file_id in found:
            try:
                await self._give_up(scope, file_id, since)
            except UploadBusy:
                # Bytes are coming just now.
                continue

    async def _give_up(self, scope: TenantScope, file_id: UUID, since: datetime) -> None:
        """Remove an upload while no request can write it: row first, so that no row is without its bytes."""
        async with self._store.writing(scope.tenant_id, file_id):
            async with self._database.write() as session:
                gone = await WritableFiles(session).abandon(scope, file_id, since=since)
            if gone:
                await self._store.delete(scope.tenant_id, file_id)
                _log.info("upload_given_up", tenant_id=str(scope.tenant_id), file_id=str(file_id))

    async def _sweep_bytes(self, since: datetime) -> None:
        """Remove bytes without a row: it comes before its bytes, so bytes seen without one never get one."""
        stored = defaultdict[UUID, list[UUID]](list)
        for tenant, file_id in await self._store.untouched(since):
            stored[tenant].append(file_id)
        for tenant, file_ids in stored.items():
            for start in range(0, len(file_ids), _AT_ONCE):
                await self._remove_unknown(TenantScope(TenantId(tenant)), file_ids[start : start + _AT_ONCE])

    async def _remove_unknown(self, scope: TenantScope, file_ids: list[UUID]) -> None:
        async with self._database.read() as session:
            known = await Files(session).known(scope, file_ids)
        for file_id in file_ids:
            if file_id not in known:
                await self._store.delete(scope.tenant_id, file_id)
                _log.info("unknown_bytes_removed", tenant_id=str(scope.tenant_id), file_id=str(file_id))
