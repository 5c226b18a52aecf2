"""Keeping the rejected rows of an attempt in their file."""

import asyncio
from dataclasses import replace
from typing import Any

from services.etl.runner.messages import Reject
from services.etl.runner.recorder import News
from services.etl.runner.repository import Claimed
from services.etl.runs.rejected.store import Kept, RejectStore
from shared.observe import logs

_log = logs.get(__name__)


class RejectKeeper:
    """Writes the file of one attempt. A store that is full or away costs the rows, not the run."""

    def __init__(self, claimed: Claimed, store: RejectStore) -> None:
        self._claimed = claimed
        self._store = store
        self._file = store.file(claimed.scope.tenant_id, claimed.run_id, claimed.attempt)
        self._size = 0
        self._kept = Kept(claimed.attempt, rows=0, complete=True)
        self._broken = False

    async def keep(self, news: News) -> Kept | None:
        """Write down the rejected rows among the news; what is kept by now, None where that is as before."""
        before = self._kept
        if news.rejects and not self._broken:
            await self._append([_storable(reject) for reject in news.rejects])
        self._kept = replace(self._kept, complete=news.complete and not self._broken)
        return None if self._kept == before else self._kept

    async def drop_earlier(self) -> None:
        """Remove the files of earlier attempts."""
        claimed = self._claimed
        try:
            await self._store.drop_before(claimed.scope.tenant_id, claimed.run_id, claimed.attempt)
        except OSError as error:
            _log.warning("rejects_not_dropped", run_id=str(claimed.run_id), reason=type(error).__name__)

    async def _append(self, rows: list[dict[str, Any]]) -> None:
        try:
            self._size = await asyncio.to_thread(self._file.append, rows, at=self._size)
            self._kept = replace(self._kept, rows=self._kept.rows + len(rows))
        except OSError as error:
            self._broken = True
            _log.warning("rejects_not_kept", run_id=str(self._claimed.run_id), reason=type(error).__name__)


def _storable(reject: Reject) -> dict[str, Any]:
    """As it is written: JSON has no half of a surrogate pair."""
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in reject.model_dump().items()
    }
