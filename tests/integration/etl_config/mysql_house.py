"""A database of MariaDB with a data table, as its owner and others see it."""

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.targets.mysql import MysqlTarget
from shared.contracts.connection import MysqlConnection
from shared.security.guard import OutboundPolicy
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import TABLE_ID

from .conftest import handed_out
from .following import Following

MODE = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'"


class House(Following):
    """The data table `t` of a database of its own."""

    dialect = DIALECTS["mysql"]

    def __init__(self, dsn: MariaDsn) -> None:
        self.dsn = dsn
        info = MysqlConnection(
            host=dsn.host, port=dsn.port, user=dsn.user, password=SecretStr(dsn.password), tls="disable"
        )
        super().__init__(
            MysqlTarget(handed_out(info), OutboundPolicy(allow_loopback=True)),
            Wanted(TABLE_ID, Location(dsn.database, "t"), 1, TableDefinition(columns=[]), None, {}),
        )

    async def run(self, *statements: str) -> None:
        """As somebody else."""
        await self.dsn.execute(MODE, *statements)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.dsn.fetch(query)

    def edited(self) -> None:
        """What is configured from now on is another revision."""
        self.wanted = replace(self.wanted, revision=self.wanted.revision + 1)
