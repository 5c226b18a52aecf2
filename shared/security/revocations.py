"""Sessions that ended before their tokens did."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel

from shared import clock as clocks
from shared.errors import PenstockError
from shared.observe import logs

PATH: Final = "/internal/revocations"
MEMORY: Final = timedelta(minutes=15)
"""Longer than any token lives, clocks that differ included."""

_LONGER: Final = 5
T = TypeVar("T")
_log = logs.get(__name__)


class RevokedSessions(BaseModel):
    """The answer of System: sessions that ended within the life of an access token."""

    session_ids: list[str]


class Caller(Protocol):
    """What we need of a service client."""

    async def call(self, method: str, path: str, *, returns: type[T]) -> T: ...


class Revocations:
    """The sessions whose tokens are no longer accepted, each remembered until its tokens have expired."""

    def __init__(self, *, clock: clocks.Clock = clocks.now) -> None:
        self._clock = clock
        self._until: dict[str, datetime] = {}

    def add(self, session_ids: Iterable[str]) -> None:
        """Refuse the tokens of these sessions from now on."""
        now = self._clock()
        self._until = {sid: until for sid, until in self._until.items() if until > now}
        self._until |= dict.fromkeys(session_ids, now + MEMORY)

    def revoked(self, session_id: str) -> bool:
        return session_id in self._until

    def __len__(self) -> int:
        return len(self._until)


class RevocationPoller:
    """Background: asks System for revoked sessions every two seconds.

    While System is down the known ones stay; a token outlives its session by ten minutes at most. A call
    that fails has been repeated by the client, so the next one comes after five pauses.
    """

    def __init__(self, client: Caller, revocations: Revocations, *, every: float = 2.0) -> None:
        self._client = client
        self._revocations = revocations
        self._every = every
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.poll()
            try:
                async with asyncio.timeout(self._every * (_LONGER if self._failing else 1)):
                    await stop.wait()
            except TimeoutError:
                continue

    async def poll(self) -> None:
        """Ask once. A failure is logged when it begins and when it ends, not every two seconds."""
        try:
            answer = await self._client.call("GET", PATH, returns=RevokedSessions)
        except PenstockError as error:
            if not self._failing:
                _log.warning("revocations_unknown", reason=error.code())
            self._failing = True
            return
        if self._failing:
            _log.info("revocations_known_again")
        self._failing = False
        self._revocations.add(answer.session_ids)
