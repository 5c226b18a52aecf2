"""What plans, changes and looks after data tables, put together by hand."""

from dataclasses import dataclass

from services.etl.clients import SystemClient
from services.etl.settings import EtlSettings
from services.etl.tables.changing.carrying import Carrier
from services.etl.tables.changing.history import History
from services.etl.tables.changing.workshop import Workshop
from services.etl.tables.ghosts.inspecting import Inspecting
from services.etl.tables.ghosts.orphans import Orphans
from services.etl.tables.ghosts.repairing import Repairing
from services.etl.tables.ghosts.upkeep import TableUpkeep
from services.etl.tables.plans.applying import Applying
from services.etl.tables.plans.planning import Planning
from services.etl.tables.targets.connecting import TableTargets
from shared.db.session import Database
from shared.http.services import Services
from shared.process.background import Background

from .ports import TableUsers
from .targets import Targets


@dataclass(frozen=True)
class Neighbours:
    """What data tables need of the rest of the service."""

    database: Database
    system: SystemClient
    users: TableUsers


def add_tables(services: Services, settings: EtlSettings, around: Neighbours) -> list[Background]:
    """Everything that touches physical tables, and the backgrounds that belong to it."""
    database, users, workshop = around.database, around.users, services.add(Workshop, Workshop())
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
