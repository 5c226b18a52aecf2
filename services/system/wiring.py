"""System's collaborators, put together by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.system import keys
from services.system.clients.service import ClientTokens
from services.system.models import OutboxMessage
from services.system.resources.handing import Handing
from services.system.resources.service import ResourceService
from services.system.resources.testing import ConnectionTests, Reach
from services.system.secrets.service import Vault
from services.system.sessions.endings import EndedLately, Endings
from services.system.sessions.guarding import Guarding
from services.system.sessions.logins import Logins
from services.system.sessions.passwords import Passwords
from services.system.sessions.refreshing import Refreshing
from services.system.sessions.revoking import Revoking
from services.system.sessions.tokens import Signer
from services.system.settings import SystemSettings
from services.system.tenants.service import TenantService
from services.system.upkeep import Upkeep
from services.system.users.myself import Myself
from services.system.users.service import UserService
from shared.bus.port import Bus
from shared.bus.topology import TOPOLOGY
from shared.bus.watching import BusWatch
from shared.db.relay import Relay
from shared.db.session import Database
from shared.http.services import Services
from shared.process.background import Background
from shared.security.revocations import Revocations
from shared.security.tokens import LocalKeys, TokenVerifier


@dataclass(frozen=True)
class Wired:
    """What the application is built from."""

    services: Services
    verifier: TokenVerifier
    database: Database
    passwords: Passwords
    watch: BusWatch | None
    backgrounds: Sequence[Background]


@dataclass(frozen=True)
class _Base:
    """What most collaborators of people and sessions share."""

    database: Database
    passwords: Passwords
    signer: Signer
    guarding: Guarding
    endings: Endings
    verifier: TokenVerifier


def wire(settings: SystemSettings, bus: Bus | None) -> Wired:
    """Everything of System. Without a bus, messages wait in the outbox until a start that has one."""
    services, revocations = Services(), Revocations()
    base = _base(settings, revocations)
    services.add(Database, base.database)
    services.add(LocalKeys, LocalKeys(base.signer.key))
    _add_sessions(services, base, settings)
    _add_people(services, base)
    _add_resources(services, base, settings)
    ended = services.add(EndedLately, EndedLately(base.database, revocations))
    backgrounds: list[Background] = [ended, Upkeep(base.database)]
    watch = None
    if bus is not None:
        watch = BusWatch(bus, TOPOLOGY)
        backgrounds += [watch, Relay(base.database, bus, OutboxMessage)]
    return Wired(services, base.verifier, base.database, base.passwords, watch, backgrounds)


def _base(settings: SystemSettings, revocations: Revocations) -> _Base:
    database = Database(settings.database_url)
    key = keys.signing_key(settings)
    return _Base(
        database=database,
        passwords=Passwords(),
        signer=Signer(key, settings.issuer),
        guarding=Guarding(database),
        endings=Endings(revocations),
        verifier=TokenVerifier(LocalKeys(key), issuer=settings.issuer, revocations=revocations),
    )


def _add_sessions(services: Services, base: _Base, settings: SystemSettings) -> None:
    database, signer, endings = base.database, base.signer, base.endings
    logins = Logins(
        database,
        base.passwords,
        signer=signer,
        guarding=base.guarding,
        default_tenant=settings.login_tenant,
    )
    services.add(Logins, logins)
    services.add(Refreshing, Refreshing(database, signer=signer, endings=endings))
    services.add(Revoking, Revoking(database, verifier=base.verifier, endings=endings))
    services.add(ClientTokens, ClientTokens(database, signer=signer, guarding=base.guarding))


def _add_people(services: Services, base: _Base) -> None:
    services.add(UserService, UserService(base.database, base.passwords, endings=base.endings))
    myself = Myself(base.database, base.passwords, guarding=base.guarding, endings=base.endings)
    services.add(Myself, myself)


def _add_resources(services: Services, base: _Base, settings: SystemSettings) -> None:
    database, vault = base.database, Vault(keys.master_keys(settings))
    services.add(TenantService, TenantService(database, vault))
    services.add(ResourceService, ResourceService(database, vault))
    handing = services.add(Handing, Handing(database, vault))
    reach = Reach(settings.policy, settings.sqlite_root)
    services.add(ConnectionTests, ConnectionTests(database, handing, reach))
