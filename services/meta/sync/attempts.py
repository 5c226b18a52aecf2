"""An attempt at a sync: what may write for it, and only as long as it holds the lease."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.meta.recording.service import Counts, Failure
from services.meta.sync.repository import COUNTS, MAX_FAILURES, Lifecycle
from shared.contracts.identity import TenantScope
from shared.db.session import WriteSession
from shared.identifiers import DatasourceId

_EVENT_EVERY: Final = 1.0
"""Seconds between two progress events."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed sync log: what is to be done, for whom, and the number that fences its writes."""

    sync_log_id: UUID
    number: int
    scope: TenantScope
    datasource_id: DatasourceId
    sync_level: str
    target: Mapping[str, Any]


class AttemptProgress:
    """Writes counts, failures and progress events of an attempt, as long as that holds its lease."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._told_at = 0.0

    async def note(
        self, session: WriteSession, counts: Counts, failures: Sequence[Failure], *, where: str
    ) -> datetime:
        """Add to the sync log in this unit of work; failures that are too many are only counted.

        Raises `LeaseLost` when the attempt may not write any more.
        """
        lifecycle = Lifecycle(session)
        log = await lifecycle.held(self._attempt.sync_log_id, self._attempt.number)
        for name in Counts.__dataclass_fields__:
            setattr(log, name, getattr(log, name) + getattr(counts, name))
        kept = list(failures[: max(0, MAX_FAILURES - len(log.failures))])
        if failures:
            log.failure_count += len(failures)
            log.failures = [*log.failures, *kept]
        for failure in kept:
            await lifecycle.note(log, "failure", failure)
        if counts != Counts() and time.monotonic() - self._told_at >= _EVENT_EVERY:
            totals = {name: getattr(log, name) for name in COUNTS}
            await lifecycle.note(log, "progress", {"database": where or None, **totals})
            self._told_at = time.monotonic()
        return await lifecycle.moment()
