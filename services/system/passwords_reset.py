"""A new password for somebody who has lost theirs, from the command line of the installation."""

from services.system import first_passwords
from services.system.audit.repository import PLATFORM, Act, AuditLog
from services.system.sessions.endings import Endings
from services.system.sessions.passwords import hash_now, random_password
from services.system.settings import SystemSettings
from services.system.tenants.errors import TenantUnknown
from services.system.tenants.models import Tenant
from services.system.tenants.repository import Tenants
from services.system.users.errors import UserUnknown
from services.system.users.models import User
from services.system.users.repository import Users, WritableUsers
from shared.db.session import Database, ReadSession
from shared.security.revocations import Revocations


class NoSuchUser(UserUnknown):
    """There is no user {username} in the tenant {tenant}."""


async def reset_password(settings: SystemSettings, username: str, *, tenant: str | None = None) -> str:
    """Give a user a new random password, which is returned, and end the user's sessions.

    Without a tenant: the platform administrator, else the user of the default tenant, as at login. Raises
    TenantUnknown and UserUnknown.
    """
    password = random_password()
    password_hash = hash_now(password)
    database = Database(settings.database_url, pool_size=2)
    try:
        async with database.write() as session:
            user = await _find(session, username.lower(), tenant, settings.login_tenant)
            locked = await WritableUsers(session).locked(user.id)
            assert locked is not None
            locked.password_hash = password_hash
            locked.token_version += 1
            await Endings(Revocations()).end_all_of(session, user.id, "password reset")
            tenant_of = await session.get(Tenant, user.tenant_id) if user.tenant_id else None
            AuditLog(session).record(PLATFORM, Act("password.reset", "user", user.id, user.tenant_id))
    finally:
        await database.close()
    account = f"tenant {tenant_of.slug}" if tenant_of else "platform administrator"
    first_passwords.forget(settings.first_passwords, account, user.username)
    return password


async def _find(session: ReadSession, username: str, slug: str | None, default: str) -> User:
    users = Users(session)
    user = await users.named(None, username) if slug is None else None
    if user is not None:
        return user
    tenant = await Tenants(session).named(slug or default)
    if tenant is None:
        raise TenantUnknown
    user = await users.named(tenant.id, username)
    if user is None:
        raise NoSuchUser(username=username, tenant=tenant.slug)
    return user
