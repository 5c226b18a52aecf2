from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from services.system.users.models import User
from shared.db.repository import Repository, WritableRepository
from shared.db.session import ReadSession, WriteSession
from shared.db.statements import upsert

from . import throttle
from .models import LoginCounter, LoginSession, RefreshToken


@dataclass(frozen=True, slots=True)
class Presented:
    """A refresh token that somebody showed, with its family and its user."""

    token: RefreshToken
    session: LoginSession
    user: User


class Sessions(WritableRepository[LoginSession]):
    """Login sessions. A session is found by what only its user has, so no tenant narrows it."""

    model = LoginSession

    async def end(self, session_id: UUID, reason: str, now: datetime) -> Sequence[UUID]:
        """End a session that is still open; the ids of those that this call has ended."""
        return await self._end([LoginSession.id == session_id], reason, now)

    async def end_all_of(
        self, user_id: UUID, reason: str, now: datetime, *, but: UUID | None = None
    ) -> Sequence[UUID]:
        """End all open sessions of a user, but one if wanted; the ids of those ended."""
        conditions = [LoginSession.user_id == user_id]
        if but is not None:
            conditions.append(LoginSession.id != but)
        return await self._end(conditions, reason, now)

    async def forget_before(self, moment: datetime) -> None:
        """Delete sessions, and with them their tokens, that expired before that moment."""
        await self._session.execute(delete(LoginSession).where(LoginSession.expires_at < moment))

    async def _end(self, conditions: Iterable[Any], reason: str, now: datetime) -> Sequence[UUID]:
        statement = (
            update(LoginSession)
            .where(*conditions, LoginSession.ended_at.is_(None))
            .values(ended_at=now, end_reason=reason)
            .returning(LoginSession.id)
        )
        return list(await self._session.scalars(statement))


class EndedSessions(Repository[LoginSession]):
    """Sessions that ended before their time: for the services, whose tenants are all tenants."""

    model = LoginSession

    async def since(self, moment: datetime) -> Sequence[UUID]:
        return list(
            await self._session.scalars(select(LoginSession.id).where(LoginSession.ended_at >= moment))
        )


class RefreshTokens(Repository[RefreshToken]):
    """Refresh tokens, found by what only their holder knows."""

    model = RefreshToken

    async def presented(self, fingerprint: str) -> Presented | None:
        statement = (
            select(RefreshToken, LoginSession, User)
            .join(LoginSession, LoginSession.id == RefreshToken.session_id)
            .join(User, User.id == LoginSession.user_id)
            .where(RefreshToken.fingerprint == fingerprint)
            # A second look at the same token has to see what another one has done to it meanwhile.
            .execution_options(populate_existing=True)
        )
        found = (await self._session.execute(statement)).one_or_none()
        return None if found is None else Presented(*tuple(found))

    async def successor_of(self, token: RefreshToken) -> RefreshToken | None:
        statement = select(RefreshToken).where(RefreshToken.predecessor_id == token.id)
        row: RefreshToken | None = await self._session.one_or_none(statement)
        return row


class WritableRefreshTokens(RefreshTokens, WritableRepository[RefreshToken]):
    async def claim(self, token: RefreshToken, salt: bytes, now: datetime) -> bool:
        """Use a token; False when somebody else has used it first."""
        statement = (
            update(RefreshToken)
            .where(RefreshToken.id == token.id, RefreshToken.used_at.is_(None))
            .values(used_at=now, salt=salt)
            .returning(RefreshToken.id)
        )
        return (await self._session.execute(statement)).one_or_none() is not None


class Counters:
    """The throttle's counters."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def of(self, attempt: throttle.Attempt) -> dict[throttle.Scope, throttle.Counter]:
        keys = attempt.keys()
        rows = await self._session.scalars(select(LoginCounter).where(LoginCounter.key.in_(keys.values())))
        found = {row.key: throttle.Counter(row.failures, row.last_failure, row.last_success) for row in rows}
        return {scope: found.get(key, throttle.Counter()) for scope, key in keys.items()}


class WritableCounters(Counters):
    def __init__(self, session: WriteSession) -> None:
        super().__init__(session)
        self._writing = session

    async def lock(self, attempt: throttle.Attempt, now: datetime) -> dict[throttle.Scope, throttle.Counter]:
        """The counters, which nobody else changes until this unit of work ends."""
        keys = sorted(attempt.keys().values())
        rows = [{"key": key, "failures": 0, "changed_at": now} for key in keys]
        insert = upsert(self._writing.dialect, LoginCounter).values(rows)
        await self._writing.execute(insert.on_conflict_do_nothing())
        # In one order, so that two attempts never wait for each other.
        ordered = select(LoginCounter.key).where(LoginCounter.key.in_(keys)).order_by(LoginCounter.key)
        await self._writing.execute(ordered.with_for_update())
        return await self.of(attempt)

    async def save(
        self,
        attempt: throttle.Attempt,
        counters: Mapping[throttle.Scope, throttle.Counter],
        now: datetime,
    ) -> None:
        for scope, key in attempt.keys().items():
            counter = counters[scope]
            await self._writing.execute(
                update(LoginCounter)
                .where(LoginCounter.key == key)
                .values(
                    failures=counter.failures,
                    last_failure=counter.last_failure,
                    last_success=counter.last_success,
                    changed_at=now,
                )
            )

    async def forget_before(self, moment: datetime) -> None:
        """Delete counters that nothing has happened to since that moment."""
        await self._writing.execute(delete(LoginCounter).where(LoginCounter.changed_at < moment))
