"""The bus from a service's side: declared as soon as the broker is there, and watched from then on."""

import asyncio
from typing import Final

from shared.bus.port import Bus, BusError, Topology
from shared.errors import Unavailable
from shared.observe import logs
from shared.process.waiting import Backoff, Trouble, until

_LOOK_SECONDS: Final = 5.0
_BACKOFF: Final = Backoff(first=0.2, longest=5.0)
_log = logs.get(__name__)


class BusNotReached(Unavailable):
    """The message bus was not reached yet."""


class BusWatch:
    """A background that declares the topology, and then looks every few seconds whether the bus works.

    A service is not ready before its bus was reached once. Afterwards it can do without: messages wait in
    the outbox, and runners find their runs in the database.
    """

    def __init__(self, bus: Bus, topology: Topology, *, every: float = _LOOK_SECONDS) -> None:
        self._bus = bus
        self._topology = topology
        self._every = every
        self._reached = False
        self._works = False

    def works(self) -> bool:
        """Whether the bus worked when it was looked at last."""
        return self._works

    async def ready(self) -> None:
        """A readiness check: the bus was reached once."""
        if not self._reached:
            raise BusNotReached

    async def run(self, stop: asyncio.Event) -> None:
        """Declare and watch until `stop` is set."""
        failures, trouble = 0, Trouble()
        while not self._reached and not stop.is_set():
            reason = await self._declare()
            if reason is None:
                self._reached = self._works = True
                _log.info("broker_reached")
            else:
                failures += 1
                if trouble.is_news(reason):
                    _log.warning("waiting_for_broker", reason=reason, failures=failures)
                await until(asyncio.sleep(_BACKOFF.seconds(failures)), stop)
        while await until(asyncio.sleep(self._every), stop):
            self._note(works=await self._bus.healthy())

    async def _declare(self) -> str | None:
        """Why the topology can't be declared now; None when it is."""
        try:
            await self._bus.declare(self._topology)
        except BusError as error:
            return str(error)
        return None if await self._bus.healthy() else "it takes no messages"

    def _note(self, *, works: bool) -> None:
        if works and not self._works:
            _log.info("broker_reached")
        if self._works and not works:
            _log.warning("broker_lost")
        self._works = works
