"""Meta's collaborators, put together by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.meta import scanners
from services.meta.catalog.service import Catalog
from services.meta.clients import SystemClient
from services.meta.datasources.consumers import ResourceConsumer, ResourcePoll
from services.meta.datasources.service import DatasourceViews
from services.meta.datasources.tracking import Tracking
from services.meta.models import OutboxMessage
from services.meta.scanners._base import Scanner, Surroundings
from services.meta.settings import CLIENT_ID, MetaSettings
from services.meta.sync.notices import Notices
from services.meta.sync.performing import Performer
from services.meta.sync.service import Syncs
from services.meta.sync.upkeep import Upkeep
from services.meta.sync.worker import Limits, ScanWorker
from shared.bus.port import Bus
from shared.bus.topology import TOPOLOGY
from shared.bus.watching import BusWatch
from shared.db.relay import Relay
from shared.db.session import Database
from shared.http.client import ClientCredentials, ServiceClient
from shared.http.services import Services
from shared.plugins.registry import Registry, discover
from shared.process.background import Background
from shared.security.jwks import JwksSource
from shared.security.revocations import RevocationPoller, Revocations
from shared.security.tokens import TokenVerifier

ENTRY_POINTS: Final = "penstock.scanners"


@dataclass(frozen=True)
class Wired:
    """What the application is built from."""

    services: Services
    verifier: TokenVerifier
    database: Database
    client: ServiceClient
    keys: JwksSource
    watch: BusWatch
    backgrounds: Sequence[Background]


def wire(settings: MetaSettings, bus: Bus) -> Wired:
    """Everything of Meta."""
    services, database, notices = Services(), Database(settings.database_url), Notices()
    client, found = client_of(settings), scanners_found()
    services.add(Syncs, Syncs(database, found, notices=notices))
    services.add(DatasourceViews, DatasourceViews(database, found))
    services.add(Catalog, Catalog(database))
    revocations, keys = Revocations(), JwksSource(client)
    verifier = TokenVerifier(keys, issuer=settings.issuer, revocations=revocations)
    tracking = Tracking(database, found, notices=notices)
    performer = _performer(settings, database, client, found)
    watch = BusWatch(bus, TOPOLOGY)
    backgrounds: list[Background] = [
        watch,
        RevocationPoller(client, revocations),
        Relay(database, bus, OutboxMessage),
        ResourceConsumer(bus, tracking),
        ResourcePoll(SystemClient(client), tracking, every=settings.resource_poll_seconds),
        _worker(settings, database, bus, performer=performer, notices=notices),
        Upkeep(database),
    ]
    return Wired(services, verifier, database, client, keys, watch, backgrounds)


def client_of(settings: MetaSettings) -> ServiceClient:
    """System, as the service client `meta`."""
    credentials = ClientCredentials(CLIENT_ID, settings.client_secret())
    return ServiceClient(settings.system_api, credentials=credentials)


def scanners_found() -> Registry[Scanner]:
    """The scanners by the type of resource that they read."""
    # A scanner declares an abstract base with its own, so the registry is asked by type.
    return discover(scanners, Scanner, entry_points=ENTRY_POINTS)  # type: ignore[type-abstract] # discovery takes subclasses of it


def surroundings_of(settings: MetaSettings) -> Surroundings:
    """Where scanners may connect to, and how long a query may take."""
    return Surroundings(
        policy=settings.policy,
        sqlite_root=settings.sqlite_root,
        statement_timeout=settings.scan_statement_seconds,
    )


def _performer(
    settings: MetaSettings, database: Database, client: ServiceClient, found: Registry[Scanner]
) -> Performer:
    return Performer(database, SystemClient(client), found, surroundings=surroundings_of(settings))


def _worker(
    settings: MetaSettings, database: Database, bus: Bus, *, performer: Performer, notices: Notices
) -> ScanWorker:
    limits = Limits(slots=settings.scan_slots, scan=settings.scan_seconds)
    return ScanWorker(database, bus, performer.perform, notices=notices, limits=limits)
