"""A database of MariaDB with a data table, as its owner and others see it."""

from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Work
from services.etl.tables.physical import Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.plan import Plan
from services.etl.tables.plans.standing import found
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.targets.base import Examined, Told
from services.etl.tables.targets.mysql import MysqlTarget
from shared.contracts.connection import MysqlConnection
from shared.security.guard import OutboundPolicy
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import TABLE_ID

from .conftest import handed_out

DIALECT = DIALECTS["mysql"]
MODE = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00'"


class House:
    """One data table `t` that follows what is wanted through plans."""

    def __init__(self, dsn: MariaDsn) -> None:
        self.dsn = dsn
        info = MysqlConnection(
            host=dsn.host, port=dsn.port, user=dsn.user, password=SecretStr(dsn.password), tls="disable"
        )
        self.target = MysqlTarget(handed_out(info), OutboundPolicy(allow_loopback=True))
        at = Location(dsn.database, "t")
        self.wanted = Wanted(TABLE_ID, at, 1, TableDefinition(columns=[]), None, {})

    async def run(self, *statements: str) -> None:
        """As somebody else."""
        await self.dsn.execute(MODE, *statements)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.dsn.fetch(query)

    async def adopt(self) -> TableDefinition:
        """Take what others have made for ours."""
        physical = (await self.target.examine(self.wanted.place, lambda _: ())).sight.physical
        assert physical is not None
        definition = found(self.wanted, physical, DIALECT)
        self.wanted = replace(
            self.wanted, definition=definition, published=Revision(1, definition), revision=2
        )
        await self.publish(definition)
        return definition

    def edited(self) -> None:
        """What is configured from now on is another revision."""
        self.wanted = replace(self.wanted, revision=self.wanted.revision + 1)

    def want(self, definition: TableDefinition, name: str | None = None) -> None:
        """Configure it so."""
        location = replace(self.wanted.location, name=name or self.wanted.location.name)
        self.wanted = replace(self.wanted, definition=definition, location=location)

    async def examined(self) -> Examined:
        return await self.target.examine(self.wanted.place, lambda sight: self.plan(sight).checks)

    def plan(self, sight: Sight, *, concurrently: bool = False) -> Plan:
        return planning.make_plan(self.wanted, sight, DIALECT, concurrently=concurrently)

    async def planned(self, *, concurrently: bool = False) -> Plan:
        return self.plan((await self.examined()).sight, concurrently=concurrently)

    async def apply(self, *, concurrently: bool = False, told: Told = lambda *_: None) -> Sight:
        """Carry out what is wanted, as a publish that has begun."""
        begun = {**self.wanted.begun, self.wanted.revision: self.wanted.definition}
        self.wanted = wanted = replace(self.wanted, begun=begun)

        def decide(sight: Sight) -> Work:
            plan = self.plan(sight, concurrently=concurrently)
            statements = DIALECT.journaled(wanted.location, wanted.mark, wanted.definition, plan.statements)
            return Work(tuple(statements), plan.checks, plan.faults, plan.verify)

        sight = await self.target.carry_out(wanted.place, decide, told=told)
        self.wanted = replace(
            wanted,
            published=Revision(wanted.revision, wanted.definition),
            revision=wanted.revision + 1,
            begun={},
            names=(wanted.location.name,),
        )
        return sight

    async def publish(
        self, definition: TableDefinition, name: str | None = None, *, concurrently: bool = False
    ) -> Plan:
        """Make the table so, and see that nothing is left to do."""
        self.want(definition, name)
        plan = await self.planned(concurrently=concurrently)
        await self.apply(concurrently=concurrently)
        again = await self.planned()
        assert (again.kind, again.statements, again.faults) == ("none", (), ())
        return plan
