"""The story of every deployment, on one embedded process."""

from tests.acceptance.process import Penstock
from tests.acceptance.workshop import first_password
from tests.servers import mariadb, postgres
from tests.team import scenario, sources


def test_an_embedded_process_tells_the_story_of_every_deployment(
    penstock: Penstock, postgres_database: postgres.Dsn, mariadb_database: mariadb.MariaDsn
) -> None:
    admin = penstock.login("admin", first_password(penstock.var, "admin"), None)
    scenario.tell(admin, [sources.postgresql(postgres_database), sources.mysql(mariadb_database)])
