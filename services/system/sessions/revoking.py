"""Revocation of a token (RFC 7009): the whole session ends, whichever of its tokens is shown."""

from collections.abc import Sequence
from uuid import UUID

from services.system.audit.repository import Act, AuditLog
from services.system.users.repository import Users
from shared import errors
from shared.db.session import Database, WriteSession
from shared.security.tokens import TokenVerifier

from . import families
from .endings import Endings
from .refreshing import Origin
from .repository import RefreshTokens


class Revoking:
    """Ends the session that a token belongs to. A token that belongs to none is no error."""

    def __init__(self, database: Database, *, verifier: TokenVerifier, endings: Endings) -> None:
        self._database = database
        self._verifier = verifier
        self._endings = endings

    async def revoke(self, token: str, origin: Origin) -> None:
        held = await self._by_access_token(token) or await self._by_refresh_token(token)
        if held is None:
            return
        async with self._database.write() as session:
            ended = await self._end(session, held, origin)
        self._endings.announce(ended)

    async def _by_access_token(self, token: str) -> tuple[UUID, UUID] | None:
        try:
            principal = await self._verifier.verify(token)
        except errors.Unauthenticated:
            return None
        return (UUID(principal.session_id), principal.subject) if principal.kind == "user" else None

    async def _by_refresh_token(self, token: str) -> tuple[UUID, UUID] | None:
        async with self._database.read() as session:
            presented = await RefreshTokens(session).presented(families.fingerprint(token))
        return None if presented is None else (presented.session.id, presented.user.id)

    async def _end(self, session: WriteSession, held: tuple[UUID, UUID], origin: Origin) -> Sequence[UUID]:
        session_id, user_id = held
        ended = await self._endings.end(session, session_id, "revoked")
        user = await Users(session).one(None, user_id)
        if ended and user is not None:
            act = Act("session.ended", "session", session_id, user.tenant_id)
            AuditLog(session).record(origin.actor(user), act)
        return ended
