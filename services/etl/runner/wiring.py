"""The collaborators of a runner in a process of its own, put together by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.etl.clients import SystemClient
from services.etl.files.service import FileService
from services.etl.files.store import LocalStore
from services.etl.models import OutboxMessage
from services.etl.pipeline.registry import steps
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runner.loop import Runner
from services.etl.runner.means import Means
from services.etl.runner.upkeep.loops import Reaper, Reconciler, Scheduler
from services.etl.runs.hints import RunHints
from services.etl.settings import CLIENT_ID, EtlSettings
from services.etl.tasks.jobs import TaskJobs
from services.etl.tasks.repository import TaskUses
from shared.bus.port import Bus
from shared.bus.topology import TOPOLOGY
from shared.bus.watching import BusWatch
from shared.db.relay import Relay
from shared.db.session import Database
from shared.http.client import ClientCredentials, ServiceClient
from shared.process.background import Background
from shared.version import VERSION


@dataclass(frozen=True)
class Wired:
    """What the process is built from."""

    database: Database
    client: ServiceClient
    executor: Executor
    watch: BusWatch
    backgrounds: Sequence[Background]


def wire(settings: EtlSettings, bus: Bus) -> Wired:
    """Everything of a runner; nothing is opened before it is used."""
    database = Database(settings.database_url)
    client = ServiceClient(
        settings.system_api, credentials=ClientCredentials(CLIENT_ID, settings.client_secret())
    )
    executor = Executor(policy=settings.policy, limits=ExecutorLimits(slots=settings.runner_slots))
    watch, hints = BusWatch(bus, TOPOLOGY), RunHints()
    means = Means(database=database, jobs=_jobs(settings, database, client), executor=executor, hints=hints)
    backgrounds: list[Background] = [
        watch,
        Relay(database, bus, OutboxMessage),
        Reaper(database, hints),
        Scheduler(database, hints),
        Reconciler(database, hints),
        Runner(means, bus, slots=settings.runner_slots, version=VERSION),
    ]
    return Wired(database, client, executor, watch, backgrounds)


def _jobs(settings: EtlSettings, database: Database, client: ServiceClient) -> TaskJobs:
    return TaskJobs(
        database,
        files=FileService(
            database,
            store=LocalStore(settings.files_folder),
            users=TaskUses(),
            limits=settings.file_limits,
        ),
        system=SystemClient(client),
        steps=steps(),
        sqlite_root=settings.sqlite_root,
        memory_limit_mb=settings.run_memory_mb,
    )
