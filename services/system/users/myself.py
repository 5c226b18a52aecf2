"""What people do about themselves: see who they are, change their password."""

from uuid import UUID

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.clients.models import Client
from services.system.sessions import throttle
from services.system.sessions.endings import Endings
from services.system.sessions.guarding import Guarding
from services.system.sessions.passwords import Passwords
from services.system.tenants.repository import Tenants
from shared.contracts.identity import Principal
from shared.db.session import Database

from .errors import PasswordWrong, UserUnknown
from .models import User
from .repository import Users, WritableUsers
from .schemas import Me
from .service import check_strength


class Myself:
    def __init__(
        self, database: Database, passwords: Passwords, *, guarding: Guarding, endings: Endings
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._guarding = guarding
        self._endings = endings

    async def describe(self, principal: Principal) -> Me:
        """Who the caller is, as stored now, and what the token allows; raises UserUnknown."""
        async with self._database.read() as session:
            if principal.kind == "service":
                client = await session.get(Client, principal.subject)
                return _me(principal, client.name if client else principal.client_id, "")
            user = await Users(session).one(principal.tenant, principal.subject)
            if user is None:
                raise UserUnknown
            tenant = await Tenants(session).of_id(user.tenant_id) if user.tenant_id else None
        me = _me(principal, user.username, user.display_name)
        if tenant is None:
            return me
        return me.model_copy(update={"tenant_slug": tenant.slug, "tenant_name": tenant.name})

    async def change_password(self, principal: Principal, actor: Actor, *, current: str, new: str) -> None:
        """Change one's own password and end one's other sessions.

        Raises PasswordWrong (each one makes the next attempt wait, as at login), PasswordWeak, Throttled.
        """
        async with self._database.read() as session:
            user = await Users(session).one(principal.tenant, principal.subject)
        if user is None:
            raise UserUnknown
        attempt = throttle.Attempt(f"password/{user.id}", actor.address or "")
        await self._guarding.admit(attempt)
        if not await self._passwords.matches(user.password_hash, current):
            act = Act("password.refused", "user", user.id, user.tenant_id)
            await self._guarding.failed(attempt, actor, act)
            raise PasswordWrong(loc=("body", "current_password"))
        check_strength(new, user.username, "new_password")
        new_hash = await self._passwords.hash(new)
        await self._store(user, new_hash, actor, but=UUID(principal.session_id))

    async def _store(self, known: User, new_hash: str, actor: Actor, *, but: UUID) -> None:
        async with self._database.write() as session:
            user = await WritableUsers(session).locked(known.id)
            if user is None or user.password_hash != known.password_hash:
                raise PasswordWrong(loc=("body", "current_password"))
            user.password_hash = new_hash
            user.token_version += 1
            ended = await self._endings.end_all_of(session, user.id, "password changed", but=but)
            AuditLog(session).record(actor, Act("password.changed", "user", user.id, user.tenant_id))
        self._endings.announce(ended)


def _me(principal: Principal, username: str, display_name: str) -> Me:
    tenant = principal.tenant
    return Me(
        id=principal.subject,
        kind=principal.kind,
        username=username,
        display_name=display_name,
        tenant_id=tenant.tenant_id if tenant else None,
        tenant_slug=None,
        tenant_name=None,
        roles=list(principal.roles),
        scopes=sorted(principal.scopes),
    )
