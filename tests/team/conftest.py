"""One team for all tests of a process: it is started before anything that it needs exists."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.acceptance.process import wait_for
from tests.acceptance.targets import PostgresTarget
from tests.acceptance.workshop import Workshop, new_tenant
from tests.servers import postgres, private, rabbitmq
from tests.servers.postgres import Dsn
from tests.team import gateway, processes
from tests.team.gateway import Front
from tests.team.processes import Process, Team
from tests.team.sources import awaited

ONE_SHOT_SECONDS = 60


@dataclass
class Beginning:
    """What was missing while the team was starting, stage by stage, in the words of each process."""

    stages: list[dict[str, str]] = field(default_factory=list)
    alive: dict[str, int] = field(default_factory=dict)
    migrated: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Stage:
    """A team that runs behind its gateway, its servers, and how it began."""

    team: Team
    front: Front
    databases: dict[str, Dsn]
    broker: rabbitmq.Broker
    beginning: Beginning


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, postgres_server: Dsn) -> Iterator[Stage]:
    """The processes are started first; then come the database, its schema and the broker, one by one.

    The servers are the team's own: Penstock's connections to them are refused to its tenants.
    """
    port, beginning = private.free_port(), Beginning()
    owned = processes.databases(port)
    with ExitStack() as servers:
        broker = servers.enter_context(rabbitmq.running())
        awaited(broker.stop_app())
        planned = processes.planned(tmp_path_factory.mktemp("team"), owned, broker.url)
        with processes.started(planned) as team:
            _tell(team, beginning, "its database")
            server = servers.enter_context(postgres.running(port))
            awaited(server.execute(*processes.statements(owned)))
            _tell(team, beginning, "the migration of its database")
            beginning.migrated = _migrated_twice_at_once(team)
            _tell(team, beginning, "bus")
            awaited(broker.start_app())
            team.opened()
            with gateway.standing_before(team) as front:
                yield Stage(team, front, owned, broker, beginning)


@pytest.fixture
def team(stage: Stage) -> Team:
    return stage.team


@pytest.fixture
def front(stage: Stage) -> Front:
    return stage.front


@pytest.fixture
def broker(stage: Stage) -> rabbitmq.Broker:
    return stage.broker


@pytest.fixture
def workshop(front: Front) -> Workshop:
    """The owner of a tenant of the test's own."""
    return Workshop(new_tenant(front.admin(), f"t{secrets.token_hex(6)}"))


@pytest.fixture
def target(postgres_server: Dsn) -> Iterator[PostgresTarget]:
    """A database to load into, on another server than the team's own."""
    dsn = awaited(postgres_server.create_database())
    yield PostgresTarget(dsn)
    awaited(postgres_server.drop_database(dsn))


def _tell(team: Team, beginning: Beginning, missing: str) -> None:
    """Wait until every process says that this is missing, and write down how it says it."""
    beginning.stages.append({one.name: _says(one, missing) for one in team.everybody})
    for one in team.everybody:
        live = one.ask("/health/live")
        beginning.alive[one.name] = live.status if live else 0


def _says(one: Process, missing: str) -> str:
    def detail() -> str | None:
        answer = one.ask("/health/ready")
        if answer is None:
            return None
        assert answer.status == 503, answer
        return answer.json["detail"] if missing in answer.json["detail"] else None

    return wait_for(detail, seconds=processes.START_SECONDS, what=f"{one.name} that waits for {missing}")


def _migrated_twice_at_once(team: Team) -> list[int]:
    running = [processes.migrate(team) for _ in range(2)]
    return [one.wait(ONE_SHOT_SECONDS) for one in running]
