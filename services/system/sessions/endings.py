"""Ending sessions: in the database, to the other services, and in this process at once."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from shared import clock as clocks
from shared.bus import topology
from shared.contracts.messages import SessionRevoked
from shared.db.session import Database, WriteSession
from shared.identifiers import UserId
from shared.process.waiting import until
from shared.security import revocations

from .repository import EndedSessions, Sessions

_LOOK_AGAIN_SECONDS: Final = 2.0


class Endings:
    """Ends sessions within the unit of work of whatever ends them."""

    def __init__(self, revoked: revocations.Revocations, *, clock: clocks.Clock = clocks.now) -> None:
        self._revoked = revoked
        self._clock = clock

    async def end(self, session: WriteSession, session_id: UUID, reason: str) -> Sequence[UUID]:
        """End one session; what it returns goes to `announce` after the commit."""
        ended = await Sessions(session).end(session_id, reason, self._clock())
        _tell(session, ended, None)
        return ended

    async def end_all_of(
        self, session: WriteSession, user_id: UUID, reason: str, *, but: UUID | None = None
    ) -> Sequence[UUID]:
        """End all sessions of a user, but one if wanted; what it returns goes to `announce`."""
        ended = await Sessions(session).end_all_of(user_id, reason, self._clock(), but=but)
        _tell(session, ended, UserId(user_id))
        return ended

    def announce(self, ended: Sequence[UUID]) -> None:
        """Refuse the access tokens of these sessions here from now on."""
        self._revoked.add(str(session_id) for session_id in ended)


class EndedLately:
    """The sessions whose access tokens may still live, as the services ask for them.

    As a background it tells this process, too, what others on the same database have ended.
    """

    def __init__(
        self,
        database: Database,
        revoked: revocations.Revocations,
        *,
        clock: clocks.Clock = clocks.now,
    ) -> None:
        self._database = database
        self._revoked = revoked
        self._clock = clock

    async def all(self) -> revocations.RevokedSessions:
        async with self._database.read() as session:
            ended = await EndedSessions(session).since(self._clock() - revocations.MEMORY)
        return revocations.RevokedSessions(session_ids=[str(session_id) for session_id in ended])

    async def run(self, stop: asyncio.Event) -> None:
        while True:
            self._revoked.add((await self.all()).session_ids)
            if not await until(asyncio.sleep(_LOOK_AGAIN_SECONDS), stop):
                return


def _tell(session: WriteSession, ended: Sequence[UUID], user_id: UserId | None) -> None:
    for session_id in ended:
        message = SessionRevoked(session_id=str(session_id), user_id=user_id)
        session.outbox.add(message, to=topology.SESSION_REVOKED, subject=str(session_id))
