"""A runner's collaborators, put together by hand: in a process of its own, and in the ETL service."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.etl.clients import SystemClient
from services.etl.files.service import FileService
from services.etl.files.store import LocalStore
from services.etl.models import OutboxMessage
from services.etl.pipeline.registry import known_steps
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runner.loop import Runner
from services.etl.runner.means import Means
from services.etl.runner.upkeep.loops import Reaper, Reconciler, Scheduler
from services.etl.runs.hints import RunHints
from services.etl.runs.rejected.store import RejectStore
from services.etl.runs.spreading import Spreading
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
    database, client, hints = Database(settings.database_url), client_of(settings), RunHints()
    jobs = jobs_of(settings, database, files=files_of(settings, database), system=SystemClient(client))
    executor, runner = runner_of(settings, bus, database=database, jobs=jobs, hints=hints)
    watch = BusWatch(bus, TOPOLOGY)
    backgrounds: list[Background] = [
        watch,
        Relay(database, bus, OutboxMessage),
        *upkeep_of(settings, bus, database=database, hints=hints),
        runner,
    ]
    return Wired(database, client, executor, watch, backgrounds)


def client_of(settings: EtlSettings) -> ServiceClient:
    """System, as the service client `etl`."""
    credentials = ClientCredentials(CLIENT_ID, settings.client_secret())
    return ServiceClient(settings.system_api, credentials=credentials)


def files_of(settings: EtlSettings, database: Database) -> FileService:
    """The uploaded files."""
    store = LocalStore(settings.files_folder)
    return FileService(database, store=store, users=TaskUses(known_steps()), limits=settings.file_limits)


def jobs_of(
    settings: EtlSettings, database: Database, *, files: FileService, system: SystemClient
) -> TaskJobs:
    """What makes jobs of tasks."""
    return TaskJobs(
        database,
        files=files,
        system=system,
        steps=known_steps(),
        sqlite_root=settings.sqlite_root,
        rejects=rejects_of(settings),
        memory_limit_mb=settings.run_memory_mb,
    )


def rejects_of(settings: EtlSettings) -> RejectStore:
    """Where the rejected rows of runs lie."""
    return RejectStore(settings.files_folder)


def upkeep_of(settings: EtlSettings, bus: Bus, *, database: Database, hints: RunHints) -> list[Background]:
    """What pushes runs on. It is in the API and in every runner, so that no one process is needed for it."""
    upkeep: list[Background] = [
        Reaper(database, hints),
        Scheduler(database, hints),
        Reconciler(database, hints),
    ]
    # Without a broker there are no other processes to tell.
    return [*upkeep, Spreading(bus, hints)] if settings.bus_address else upkeep


def runner_of(
    settings: EtlSettings, bus: Bus, *, database: Database, jobs: TaskJobs, hints: RunHints
) -> tuple[Executor, Runner]:
    """A runner, and the executor that it works with."""
    executor = Executor(policy=settings.policy, limits=ExecutorLimits(slots=settings.runner_slots))
    means = Means(database=database, jobs=jobs, executor=executor, hints=hints, rejects=rejects_of(settings))
    return executor, Runner(means, bus, slots=settings.runner_slots, version=VERSION)
