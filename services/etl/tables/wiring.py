"""What plans, changes and looks after data tables, put together by hand."""

from dataclasses import dataclass

from services.etl.clients import SystemClient
from services.etl.settings import EtlSettings
from shared.db.session import Database
from shared.http.services import Services
from shared.process.background import Background

from .applying import Applying
from .changing.carrying import Carrier
from .changing.workshop import Workshop
from .connecting import TableTargets
from .history import History
from .inspecting import Inspecting
from .orphans import Orphans
from .planning import Planning
from .ports import TableUsers
from .repairing import Repairing
from .targets import Targets
from .upkeep import TableUpkeep


@dataclass(frozen=True)
class Neighbours:
    """What data tables need of the rest of the service."""

    database: Database
    system: SystemClient
    users: TableUsers


def add_tables(services: Services, settings: EtlSettings, around: Neighbours) -> list[Background]:
    """Everything that touches physical tables, and the backgrounds that belong to it."""
    database, users, workshop = around.database, around.users, Workshop()
    opened = Targets(policy=settings.policy, sqlite_root=settings.sqlite_root)
    targets = TableTargets(around.system, opened)
    inspecting = services.add(Inspecting, Inspecting(database, targets=targets))
    carrier = Carrier(database, users=users, workshop=workshop, inspecting=inspecting)
    planning = services.add(Planning, Planning(database, targets=targets, users=users))
    applying = services.add(Applying, Applying(database, planning=planning, carrier=carrier, users=users))
    services.add(Repairing, Repairing(database, planning=planning, applying=applying, carrier=carrier))
    services.add(Orphans, Orphans(database, targets=targets))
    services.add(History, History(database))
    return [workshop, TableUpkeep(database, inspecting, minutes=settings.inspect_minutes)]
