"""The first start: keys, clients, the administrator, and in embedded mode a tenant to work in.

Every part looks for what is there, makes what is missing in one unit of work, and leaves the rest alone:
so it runs at every start, and a start that was killed half-way is finished by the next one.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.system import first_passwords, keys
from services.system.audit.repository import PLATFORM, Act, AuditLog
from services.system.clients.models import Client
from services.system.clients.repository import WritableClients
from services.system.resources.schemas import ResourceCreate
from services.system.resources.service import ResourceService
from services.system.secrets.errors import MasterKeysMissing
from services.system.secrets.service import Vault, check_master_keys, known_master_keys
from services.system.sessions import families
from services.system.sessions.passwords import hash_now
from services.system.settings import SystemSettings
from services.system.tenants.models import Tenant
from services.system.tenants.repository import Tenants, WritableTenants
from services.system.users.models import User
from services.system.users.repository import Users, WritableUsers
from shared.contracts.connection import SqliteConnection
from shared.contracts.identity import TenantScope
from shared.contracts.scopes import SERVICE_SCOPES
from shared.db.errors import AlreadyExists, unique_or
from shared.db.session import Database, WriteSession
from shared.identifiers import TenantId, uuid7

ADMINISTRATOR: Final = "admin"
OWNER: Final = "owner"
TENANT: Final = "default"
WAREHOUSE: Final = "warehouse"


@dataclass(frozen=True, slots=True)
class _Account:
    label: str
    username: str
    roles: tuple[str, ...]


_Made = tuple[str, bool] | None
"""The label of an account that was made, and whether its password went into our file."""


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What a start has made. `passwords` is the file with the first passwords, if it wrote to one."""

    users: tuple[str, ...]
    passwords: Path | None


async def prepare(settings: SystemSettings) -> FirstStart:
    """Make what is missing in a migrated database and below `var`.

    Raises MasterKeysMissing and MasterKeyWrong when the database belongs to other master keys, and what
    `keys` and `first_passwords` raise for files that can't be used.
    """
    database = Database(settings.database_url, pool_size=2)
    try:
        await _refuse_new_keys(database, settings)
        ring = keys.master_keys(settings)
        keys.signing_key(settings)
        await check_master_keys(database, ring)
        for name in keys.CLIENTS:
            await _client(database, name, keys.client_secret(settings, name))
        made = [await _administrator(database, settings)]
        if settings.embedded:
            made.append(await _first_tenant(database, settings, Vault(ring)))
    finally:
        await database.close()
    users = tuple(label for label, _ in filter(None, made))
    wrote = any(random for _, random in filter(None, made))
    return FirstStart(users, settings.first_passwords if wrote else None)


async def _refuse_new_keys(database: Database, settings: SystemSettings) -> None:
    """Keys made for a database that has others would only be mistaken for the right ones."""
    # The database first: whoever makes the keys writes their file before the database knows them.
    known = await known_master_keys(database)
    if known and keys.master_keys_missing(settings):
        raise MasterKeysMissing(path=settings.master_keys_file, known=", ".join(sorted(known)))


async def _client(database: Database, name: str, secret: str) -> None:
    fingerprint = families.fingerprint(secret)
    with suppress(AlreadyExists):  # another process of ours has been faster
        async with database.write() as session:
            clients = WritableClients(session)
            known = await clients.named(name) or Client(name=name, enabled=True)
            if known.secret_fingerprint != fingerprint:
                known.secret_fingerprint = fingerprint
            if known.scopes != list(SERVICE_SCOPES):
                known.scopes = list(SERVICE_SCOPES)
            with unique_or(AlreadyExists()):
                await clients.add(known)


async def _administrator(database: Database, settings: SystemSettings) -> _Made:
    async with database.read() as session:
        if await Users(session).named(None, ADMINISTRATOR):
            return None
    account = _Account("platform administrator", ADMINISTRATOR, ("platform",))
    password_hash, random = _password(settings, account, settings.admin_password_file, "ADMIN")
    with suppress(AlreadyExists):  # as above
        async with database.write() as session:
            with unique_or(AlreadyExists()):
                await _add_user(session, account, None, password_hash)
    return account.label, random


async def _first_tenant(database: Database, settings: SystemSettings, vault: Vault) -> _Made:
    async with database.read() as session:
        if await Tenants(session).named(TENANT):
            return None
    account = _Account(f"tenant {TENANT}", OWNER, ("owner",))
    password_hash, random = _password(settings, account, settings.owner_password_file, "OWNER")
    with suppress(AlreadyExists):
        async with database.write() as session:
            with unique_or(AlreadyExists()):
                scope = await _add_tenant(session, vault)
                await _add_user(session, account, scope, password_hash)
            if settings.sqlite_root is not None:
                await _add_warehouse(session, scope, ResourceService(database, vault))
    return account.label, random


def _password(
    settings: SystemSettings, account: _Account, file: Path | None, setting: str
) -> tuple[str, bool]:
    """The hash of the account's first password, and whether the password was written to our file."""
    if file is not None:
        return hash_now(first_passwords.given(file, f"PENSTOCK_{setting}_PASSWORD_FILE")), False
    return hash_now(first_passwords.written(settings.first_passwords, account.label, account.username)), True


async def _add_tenant(session: WriteSession, vault: Vault) -> TenantScope:
    tenant = Tenant(id=uuid7(), slug=TENANT, name="Default")
    await WritableTenants(session).add(tenant)
    scope = TenantScope(TenantId(tenant.id))
    await vault.add_key(session, scope)
    AuditLog(session).record(PLATFORM, Act("tenant.created", "tenant", tenant.id, tenant.id))
    return scope


async def _add_user(
    session: WriteSession, account: _Account, scope: TenantScope | None, password_hash: str
) -> None:
    user = User(
        id=uuid7(),
        tenant_id=scope.tenant_id if scope else None,
        username=account.username,
        password_hash=password_hash,
        roles=list(account.roles),
    )
    await WritableUsers(session).add(user)
    details = {"username": user.username, "roles": user.roles}
    AuditLog(session).record(PLATFORM, Act("user.created", "user", user.id, user.tenant_id, details))


async def _add_warehouse(session: WriteSession, scope: TenantScope, resources: ResourceService) -> None:
    wanted = ResourceCreate(
        name=WAREHOUSE,
        description="A database of this installation, for data tables.",
        connection=SqliteConnection(file=f"{WAREHOUSE}.db", create=True),
    )
    await resources.create_within(session, scope, wanted, PLATFORM)
