"""The ETL service's collaborators, put together by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.etl.catalogue.service import Catalogue
from services.etl.clients import MetaClient, SystemClient
from services.etl.files.service import FileService
from services.etl.files.store import LocalStore
from services.etl.files.sweeping import Sweeper
from services.etl.models import OutboxMessage
from services.etl.pipeline.registry import known_steps
from services.etl.previews.service import Previews
from services.etl.previews.trying import Trials
from services.etl.runner import wiring
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runs.hints import RunHints
from services.etl.runs.rejected.service import RejectedRows
from services.etl.runs.service import RunsService
from services.etl.settings import EtlSettings
from services.etl.suggestions.service import Suggestions
from services.etl.tables.categories import CategoryService
from services.etl.tables.revisions.service import RevisionService
from services.etl.tables.service import DataTableService
from services.etl.tables.wiring import Neighbours, add_tables
from services.etl.tasks.dry_runs import DryRuns
from services.etl.tasks.file_jobs import FileTargets
from services.etl.tasks.jobs import TaskJobs
from services.etl.tasks.parameters import Replaying
from services.etl.tasks.repository import TaskUses
from services.etl.tasks.service import TaskService
from services.etl.tasks.sources import Sources
from services.etl.tasks.validation import Resources
from shared.bus.port import Bus
from shared.bus.topology import TOPOLOGY
from shared.bus.watching import BusWatch
from shared.db.relay import Relay
from shared.db.session import Database
from shared.http.client import ServiceClient
from shared.http.services import Services
from shared.process.background import Background
from shared.security.jwks import JwksSource
from shared.security.revocations import RevocationPoller, Revocations
from shared.security.tokens import TokenVerifier


@dataclass(frozen=True)
class Wired:
    """What the application is built from."""

    services: Services
    verifier: TokenVerifier
    keys: JwksSource
    database: Database
    client: ServiceClient
    meta: ServiceClient
    previewer: Executor
    executors: Sequence[Executor]
    watch: BusWatch
    backgrounds: Sequence[Background]


@dataclass(frozen=True)
class _Base:
    """What most collaborators share, and the backgrounds that they bring."""

    settings: EtlSettings
    services: Services
    database: Database
    client: ServiceClient
    system: SystemClient
    backgrounds: list[Background] = field(default_factory=list)


def wire(settings: EtlSettings, bus: Bus) -> Wired:
    """Everything of the ETL service; nothing is opened before it is used."""
    client = wiring.client_of(settings)
    base = _Base(settings, Services(), Database(settings.database_url), client, SystemClient(client))
    base.services.add(Database, base.database)
    revocations, keys = Revocations(), JwksSource(client)
    jobs = _add_configuration(base)
    previewer = Executor(policy=settings.policy, limits=ExecutorLimits(slots=1))
    _add_previews(base, previewer)
    meta = _add_suggestions(base)
    executors, runners = _add_runs(base, jobs, bus)
    watch = BusWatch(bus, TOPOLOGY)
    return Wired(
        services=base.services,
        verifier=TokenVerifier(keys, issuer=settings.issuer, revocations=revocations),
        keys=keys,
        database=base.database,
        client=client,
        meta=meta,
        previewer=previewer,
        executors=[previewer, *executors],
        watch=watch,
        backgrounds=[
            watch,
            RevocationPoller(client, revocations),
            Relay(base.database, bus, OutboxMessage),
            Sweeper(base.database, LocalStore(settings.files_folder)),
            *base.backgrounds,
            *runners,
        ],
    )


def _add_configuration(base: _Base) -> TaskJobs:
    """Files, data tables, tasks and the catalogue of steps."""
    services, database, settings = base.services, base.database, base.settings
    known = known_steps()
    uses = TaskUses(known)
    files = services.add(FileService, wiring.files_of(settings, database))
    services.add(CategoryService, CategoryService(database))
    services.add(DataTableService, DataTableService(database, system=base.system))
    services.add(RevisionService, RevisionService(database))
    around = Neighbours(database, base.system, uses)
    base.backgrounds.extend(add_tables(services, settings, around))
    resources = Resources(base.system, known)
    services.add(TaskService, TaskService(database, steps=known, resources=resources))
    services.add(Catalogue, Catalogue(known))
    return services.add(TaskJobs, wiring.jobs_of(settings, database, files=files, system=base.system))


def _add_previews(base: _Base, previewer: Executor) -> None:
    """Previews have a child of their own: a long run must not make them wait."""
    settings, files = base.settings, base.services.get(FileService)
    sources = Sources(files=files, system=base.system, sqlite_root=settings.sqlite_root)
    base.services.add(
        Previews,
        Previews(
            sources=sources,
            previewer=previewer,
            loaders=known_steps().loaders,
            limits=settings.preview_limits,
        ),
    )
    base.services.add(
        DryRuns,
        DryRuns(
            base.database,
            system=base.system,
            sources=sources,
            files=FileTargets(base.database, files=files, system=base.system),
            steps=known_steps(),
        ),
    )
    base.services.add(
        Trials,
        Trials(
            base.database,
            sources=sources,
            previewer=previewer,
            steps=known_steps(),
            limits=settings.preview_limits,
        ),
    )


def _add_suggestions(base: _Base) -> ServiceClient:
    """Suggestions ask Meta in the name of their callers: its client has no credentials of ours."""
    services, meta = base.services, ServiceClient(base.settings.meta_api)
    services.add(
        Suggestions,
        Suggestions(
            tables=services.get(DataTableService),
            files=services.get(FileService),
            previews=services.get(Previews),
            meta=MetaClient(meta),
        ),
    )
    return meta


def _add_runs(base: _Base, jobs: TaskJobs, bus: Bus) -> tuple[list[Executor], list[Background]]:
    """Runs, what looks after them, and in a process with a runner what carries them out."""
    settings, database, hints = base.settings, base.database, RunHints()
    runs = base.services.add(RunsService, RunsService(database, jobs, hints))
    store = wiring.rejects_of(settings)
    base.services.add(
        RejectedRows, RejectedRows(database, store=store, runs=runs, tasks=Replaying(database, known_steps()))
    )
    upkeep = wiring.upkeep_of(settings, bus, database=database, hints=hints)
    if not settings.runner:
        return [], upkeep
    executor, runner = wiring.runner_of(settings, bus, database=database, jobs=jobs, hints=hints)
    return [executor], [*upkeep, runner]
