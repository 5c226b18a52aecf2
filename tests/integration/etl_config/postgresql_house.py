"""A PostgreSQL database with a data table, as its owner and others see it."""

from typing import Any

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.targets.postgresql import PostgresqlTarget
from shared.contracts.connection import PostgresqlConnection
from shared.security.guard import OutboundPolicy
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import TABLE_ID

from .conftest import handed_out
from .following import Following


class House(Following):
    """The data table `t` of the schema `public`."""

    dialect = DIALECTS["postgresql"]

    def __init__(self, dsn: Dsn, *, reading_seconds: float = 60.0) -> None:
        self.dsn = dsn
        info = PostgresqlConnection.model_validate(
            {
                "type": "postgresql",
                "host": dsn.host,
                "port": dsn.port,
                "database": dsn.database,
                "user": dsn.user,
                "password": dsn.password,
                "tls": "disable",
            }
        )
        policy = OutboundPolicy(allow_loopback=True)
        super().__init__(
            PostgresqlTarget(handed_out(info), policy, reading_seconds=reading_seconds),
            Wanted(TABLE_ID, Location("public", "t"), 1, TableDefinition(columns=[]), None, {}),
        )

    async def run(self, *statements: str) -> None:
        """As somebody else."""
        await self.dsn.execute(*statements)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.dsn.fetch(query)

    async def file(self, table: str = "t") -> int:
        """The file that the rows are in: another one when they were written anew."""
        ((node,),) = await self.rows(f"SELECT pg_relation_filenode('{table}')::bigint")
        assert isinstance(node, int)
        return node
