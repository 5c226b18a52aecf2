"""Sessions go on: a refresh token becomes the next one and a new access token."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.users.models import User
from shared import clock as clocks
from shared.db.session import Database, WriteSession

from . import families
from .endings import Endings
from .errors import InvalidGrant
from .families import Decision, Facts
from .models import LoginSession, RefreshToken
from .repository import Presented, RefreshTokens, WritableRefreshTokens
from .schemas import TokenResponse
from .tokens import Signer

IDLE: Final = timedelta(days=7)
"""A session that isn't refreshed for this long is over."""

LONGEST: Final = timedelta(days=30)
"""No session lasts longer than this."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token request comes from."""

    address: str
    request_id: str
    client_id: str

    def actor(self, user: User | None) -> Actor:
        """The one who acts, for the audit log."""
        if user is None:
            return Actor("anonymous", None, self.address, self.request_id)
        return Actor("platform" if user.tenant_id is None else "user", user.id, self.address, self.request_id)


class Refreshing:
    """Turns a refresh token into the next one and a new access token."""

    def __init__(
        self, database: Database, *, signer: Signer, endings: Endings, clock: clocks.Clock = clocks.now
    ) -> None:
        self._database = database
        self._signer = signer
        self._endings = endings
        self._clock = clock

    async def refresh(self, token: str, origin: Origin) -> TokenResponse:
        """New tokens; raises InvalidGrant, and a token used twice ends its whole family."""
        fingerprint = families.fingerprint(token)
        async with self._database.read() as reading:
            # Whoever knows no token at all must not make the writers wait.
            if await RefreshTokens(reading).presented(fingerprint) is None:
                raise InvalidGrant
        async with self._database.write() as session:
            tokens = WritableRefreshTokens(session)
            presented = await tokens.presented(fingerprint)
            decision = await self._decide(session, presented)
            if presented is not None and decision is Decision.ROTATE:
                salt = families.new_salt()
                if await tokens.claim(presented.token, salt, self._clock()):
                    return await self._rotate(session, presented, families.successor(token, salt))
                # Another request used it a moment ago; look again at what it has become.
                presented = await tokens.presented(fingerprint)
                decision = await self._decide(session, presented)
            if presented is not None and decision is Decision.REPEAT and presented.token.salt is not None:
                return self._answer(presented, families.successor(token, presented.token.salt))
            ended: Sequence[UUID] = ()
            if presented is not None and decision is Decision.END_FAMILY:
                ended = await self._end_family(session, presented, origin)
        self._endings.announce(ended)
        raise InvalidGrant

    async def _decide(self, session: WriteSession, presented: Presented | None) -> Decision:
        if presented is None:
            return Decision.REFUSE
        successor = await RefreshTokens(session).successor_of(presented.token)
        now, family = self._clock(), presented.session
        facts = Facts(
            expires_at=presented.token.expires_at,
            used_at=presented.token.used_at,
            successor_used=successor is not None and successor.used_at is not None,
            family_ended=family.ended_at is not None
            or family.expires_at <= now
            or not presented.user.enabled,
        )
        return families.DECISIONS[families.state_of(facts, now)]

    async def _rotate(self, session: WriteSession, presented: Presented, successor: str) -> TokenResponse:
        row = refresh_token_of(presented.session, successor, presented.token, self._clock())
        await WritableRefreshTokens(session).add(row)
        return self._answer(presented, successor)

    def _answer(self, presented: Presented, successor: str) -> TokenResponse:
        return self._signer.for_user(
            presented.user,
            session_id=presented.session.id,
            client_id=presented.session.client_id,
            refresh_token=successor,
        )

    async def _end_family(
        self, session: WriteSession, presented: Presented, origin: Origin
    ) -> Sequence[UUID]:
        user, family = presented.user, presented.session
        act = Act("session.token_reused", "session", family.id, user.tenant_id, {"user_id": str(user.id)})
        AuditLog(session).record(origin.actor(None), act)
        return await self._endings.end(session, family.id, "refresh token used twice")


def refresh_token_of(
    family: LoginSession, token: str, predecessor: RefreshToken | None, now: datetime
) -> RefreshToken:
    """The row of a family's next token."""
    return RefreshToken(
        session_id=family.id,
        predecessor_id=None if predecessor is None else predecessor.id,
        fingerprint=families.fingerprint(token),
        expires_at=min(now + IDLE, family.expires_at),
    )
