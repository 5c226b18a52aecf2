"""Logins with a password."""

from dataclasses import dataclass, field

from services.system.audit.repository import Act, AuditLog
from services.system.tenants.repository import Tenants
from services.system.users.models import User
from services.system.users.repository import Users, WritableUsers
from shared import clock as clocks
from shared.db.session import Database, ReadSession, WriteSession
from shared.identifiers import uuid7

from . import families, throttle
from .errors import InvalidGrant
from .guarding import Guarding
from .models import LoginSession
from .passwords import Passwords
from .refreshing import LONGEST, Origin, refresh_token_of
from .repository import Sessions, WritableRefreshTokens
from .schemas import TokenResponse
from .tokens import Signer


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody typed. Without a tenant: the platform, else the default tenant."""

    username: str
    password: str = field(repr=False)
    tenant: str | None


class Logins:
    """Turns a right password into a session; a wrong one, an unknown or a disabled user look the same."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        *,
        signer: Signer,
        guarding: Guarding,
        default_tenant: str | None,
        clock: clocks.Clock = clocks.now,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._signer = signer
        self._guarding = guarding
        self._default_tenant = default_tenant
        self._clock = clock

    async def log_in(self, credentials: Credentials, origin: Origin) -> TokenResponse:
        """The tokens of a new session; raises InvalidGrant, Throttled, or Unavailable under a flood."""
        attempt = throttle.Attempt(self._account(credentials), origin.address)
        await self._guarding.admit(attempt)
        async with self._database.read() as session:
            user = await self._find(session, credentials)
        right = await self._passwords.matches(user.password_hash if user else None, credentials.password)
        if user is None or not right or not user.enabled:
            await self._guarding.failed(attempt, origin.actor(None), _refused(user))
            raise InvalidGrant
        async with self._database.write() as writing:
            answer = await self._open(writing, user, origin, attempt)
        if answer is None:
            raise InvalidGrant
        return answer

    def _account(self, credentials: Credentials) -> str:
        return f"{credentials.tenant or self._default_tenant or ''}/{credentials.username.lower()}"

    async def _find(self, session: ReadSession, credentials: Credentials) -> User | None:
        users, username = Users(session), credentials.username.lower()
        if credentials.tenant is None:
            administrator = await users.named(None, username)
            if administrator is not None:
                return administrator
        tenant = await Tenants(session).named(credentials.tenant or self._default_tenant or "")
        return None if tenant is None else await users.named(tenant.id, username)

    async def _open(
        self, session: WriteSession, known: User, origin: Origin, attempt: throttle.Attempt
    ) -> TokenResponse | None:
        user = await WritableUsers(session).locked(known.id)
        if user is None or not user.enabled or user.password_hash != known.password_hash:
            return None  # changed while the password was checked
        now = self._clock()
        family = LoginSession(
            id=uuid7(),
            user_id=user.id,
            client_id=origin.client_id,
            created_at=now,
            expires_at=now + LONGEST,
        )
        await Sessions(session).add(family)
        token = families.new_token()
        await WritableRefreshTokens(session).add(refresh_token_of(family, token, None, now))
        await self._guarding.succeeded(session, attempt)
        AuditLog(session).record(
            origin.actor(user), Act("session.opened", "session", family.id, user.tenant_id)
        )
        return self._signer.for_user(
            user, session_id=family.id, client_id=family.client_id, refresh_token=token
        )


def _refused(user: User | None) -> Act:
    """What is written down of a refused login: never what was typed, which may be a password."""
    if user is None:
        return Act("session.refused", "user", None, None)
    return Act("session.refused", "user", user.id, user.tenant_id)
