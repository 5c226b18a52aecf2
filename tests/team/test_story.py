"""The story of every deployment, through the gateway of a team of processes."""

from tests.servers import mariadb, postgres
from tests.team import scenario, sources
from tests.team.gateway import Front


def test_a_team_of_processes_tells_the_story_of_every_deployment(
    front: Front, postgres_database: postgres.Dsn, mariadb_database: mariadb.MariaDsn
) -> None:
    scenario.tell(front.admin(), [sources.postgresql(postgres_database), sources.mysql(mariadb_database)])
