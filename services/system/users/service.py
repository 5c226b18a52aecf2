"""Users of tenants: created, changed and disabled by those who may."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.system.audit.repository import Act, Actor, AuditLog
from services.system.sessions.endings import Endings
from services.system.sessions.passwords import Passwords
from services.system.tenants.errors import TenantUnknown
from services.system.tenants.repository import Tenants, WritableTenants
from shared.contracts.identity import TenantScope
from shared.db.errors import unique_or
from shared.db.repository import Page, expect_version
from shared.db.session import Database, WriteSession
from shared.errors import Fault
from shared.http.errors import RequestInvalid
from shared.identifiers import TenantId, UserId, uuid7

from .errors import LastOwner, PasswordWeak, RoleNotGrantable, UsernameTaken, UserUnknown
from .models import User
from .repository import Users, WritableUsers
from .schemas import UserChange, UserCreate

OWNER = "owner"
FEWEST_CHARACTERS = 5


@dataclass(frozen=True, slots=True)
class Caller:
    """Who manages users: the actor, the tenant it is bound to (None: the platform), and its roles."""

    actor: Actor
    tenant: TenantScope | None
    roles: Collection[str]

    @property
    def may_make_owners(self) -> bool:
        return self.tenant is None or OWNER in self.roles


class UserService:
    def __init__(self, database: Database, passwords: Passwords, *, endings: Endings) -> None:
        self._database = database
        self._passwords = passwords
        self._endings = endings

    async def create(self, wanted: UserCreate, caller: Caller) -> User:
        """A new user; raises TenantUnknown, UsernameTaken, RoleNotGrantable, PasswordWeak."""
        tenant = _tenant_of(wanted, caller)
        if OWNER in wanted.roles and not caller.may_make_owners:
            raise RoleNotGrantable(loc=("body", "roles"), role=OWNER)
        password = wanted.password.get_secret_value()
        check_strength(password, wanted.username, "password")
        password_hash = await self._passwords.hash(password)
        user = User(
            id=uuid7(),
            tenant_id=tenant.tenant_id,
            username=wanted.username,
            display_name=wanted.display_name,
            password_hash=password_hash,
            roles=list(wanted.roles),
            enabled=True,
        )
        async with self._database.write() as session:
            if await Tenants(session).of_id(tenant.tenant_id) is None:
                raise TenantUnknown(loc=("body", "tenant_id"))
            with unique_or(UsernameTaken(loc=("body", "username"), username=wanted.username)):
                await WritableUsers(session).add(user)
            details = {"username": user.username, "roles": user.roles}
            AuditLog(session).record(
                caller.actor, Act("user.created", "user", user.id, user.tenant_id, details)
            )
        return user

    async def list(
        self, caller: Caller, *, tenant_id: TenantId | None, limit: int, cursor: str | None
    ) -> Page[User]:
        """The users that the caller sees; the platform may narrow them to a tenant."""
        scope = caller.tenant
        if tenant_id is not None and scope is None:
            scope = TenantScope(tenant_id)
        if tenant_id is not None and scope is not None and scope.tenant_id != tenant_id:
            raise TenantUnknown(loc=("query", "tenant_id"))
        async with self._database.read() as session:
            return await Users(session).list(scope, limit=limit, cursor=cursor)

    async def get(self, user_id: UserId, caller: Caller) -> User:
        """Raises UserUnknown."""
        async with self._database.read() as session:
            user = await Users(session).one(caller.tenant, user_id)
        if user is None:
            raise UserUnknown
        return user

    async def change(self, user_id: UserId, wanted: UserChange, caller: Caller, *, version: int) -> User:
        """Change a user; new roles or being disabled end the user's sessions at once.

        Raises UserUnknown, VersionOutdated, RoleNotGrantable, LastOwner.
        """
        async with self._database.write() as session:
            user = await WritableUsers(session).one(caller.tenant, user_id)
            if user is None:
                raise UserUnknown
            expect_version(user, version)
            _refuse_owner_changes(user, wanted, caller)
            await _keep_an_owner(session, user, wanted)
            ended = await self._apply(session, user, wanted)
            await session.flush()
            details = wanted.model_dump(exclude_unset=True, exclude_none=True)
            AuditLog(session).record(
                caller.actor, Act("user.changed", "user", user.id, user.tenant_id, details)
            )
        self._endings.announce(ended)
        return user

    async def _apply(self, session: WriteSession, user: User, wanted: UserChange) -> Sequence[UUID]:
        if wanted.display_name is not None:
            user.display_name = wanted.display_name
        rights_before = (sorted(user.roles), user.enabled)
        if wanted.roles is not None:
            user.roles = list(wanted.roles)
        if wanted.enabled is not None:
            user.enabled = wanted.enabled
        if (sorted(user.roles), user.enabled) == rights_before:
            return ()
        user.token_version += 1
        await session.flush()
        return await self._endings.end_all_of(session, user.id, "rights changed")


def check_strength(password: str, username: str, field: str) -> None:
    """Raises PasswordWeak for the passwords that are guessed first."""
    if username.lower() in password.lower() and len(password) < 2 * len(username) + 8:
        raise PasswordWeak(loc=("body", field), reason="it contains the user name")
    if len(set(password)) < FEWEST_CHARACTERS:
        raise PasswordWeak(loc=("body", field), reason="it has too few different characters")


def _tenant_of(wanted: UserCreate, caller: Caller) -> TenantScope:
    if caller.tenant is None:
        if wanted.tenant_id is None:
            fault = Fault(("body", "tenant_id"), "missing", "the platform administrator names the tenant")
            raise RequestInvalid(faults=[fault])
        return TenantScope(wanted.tenant_id)
    if wanted.tenant_id not in {None, caller.tenant.tenant_id}:
        raise TenantUnknown(loc=("body", "tenant_id"))
    return caller.tenant


def _refuse_owner_changes(user: User, wanted: UserChange, caller: Caller) -> None:
    """Owners are made, changed and unmade by owners and the platform only; the platform's own never here."""
    concerned = OWNER in user.roles or OWNER in (wanted.roles or ())
    if concerned and not caller.may_make_owners:
        raise RoleNotGrantable(loc=("body", "roles"), role=OWNER)
    if user.tenant_id is None and (wanted.roles is not None or wanted.enabled is False):
        raise RoleNotGrantable(loc=("body",), role="platform")


async def _keep_an_owner(session: WriteSession, user: User, wanted: UserChange) -> None:
    loses = wanted.enabled is False or (wanted.roles is not None and OWNER not in wanted.roles)
    if user.tenant_id is None or OWNER not in user.roles or not loses:
        return
    scope = TenantScope(TenantId(user.tenant_id))
    await WritableTenants(session).lock(scope)
    others = [one for one in await Users(session).enabled_of(scope) if one.id != user.id]
    if not any(OWNER in one.roles for one in others):
        raise LastOwner(loc=("body",))
