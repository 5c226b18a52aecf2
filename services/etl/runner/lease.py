"""Holding the lease of one attempt, and learning from it that the work has to stop."""

import asyncio
from collections.abc import Callable
from enum import Enum

from services.etl.runner.means import Means
from services.etl.runner.repository import LEASE_SECONDS, Claimed, Leases
from services.etl.runs.states import State
from shared.errors import Transient
from shared.observe import logs

_log = logs.get(__name__)


class Stop(Enum):
    """Why the work is stopped from outside."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    LEASE_LOST = "lease_lost"
    SHUTDOWN = "shutdown"


class LeaseKeeper:
    """Renews a lease every few seconds, and says when to stop.

    A runner that could not renew for `self_fence` seconds stops by itself, before anybody else may think
    that it is gone. All is counted from the moment a renewal was sent, not from its answer.
    """

    def __init__(
        self, claimed: Claimed, means: Means, *, claimed_at: float, stop: Callable[[Stop], None]
    ) -> None:
        self._claimed = claimed
        self._means = means
        self._renewed = claimed_at
        self._stop = stop
        self._lost = False

    def may_hold(self) -> bool:
        """Whether the lease can't be over yet."""
        return asyncio.get_running_loop().time() < self._renewed + LEASE_SECONDS

    async def keep(self) -> None:
        """Renew until the lease is lost; a cancel that was hinted at is looked for at once."""
        timing = self._means.timing
        with self._means.hints.cancels.follow(self._claimed.run_id) as cancels:
            pause = timing.heartbeat
            while not self._lost:
                await cancels.wait(pause)
                pause = timing.heartbeat if await self._renew() else timing.again

    async def _renew(self) -> bool:
        sent = asyncio.get_running_loop().time()
        left = self._renewed + self._means.timing.self_fence - sent
        try:
            async with asyncio.timeout(left), self._means.database.write() as session:
                state = await Leases(session, self._means.now).renew(self._claimed)
        except (TimeoutError, Transient) as error:
            _log.warning("heartbeat_failed", run_id=str(self._claimed.run_id), reason=str(error))
            if asyncio.get_running_loop().time() >= self._renewed + self._means.timing.self_fence:
                self._lose()
            return False
        if state is None:
            self._lose()
            return False
        self._renewed = sent
        if state is State.CANCELLING:
            self._stop(Stop.CANCEL)
        return True

    def _lose(self) -> None:
        self._lost = True
        self._stop(Stop.LEASE_LOST)
