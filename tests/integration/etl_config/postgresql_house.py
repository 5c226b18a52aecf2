"""A PostgreSQL database with a data table, as its owner and others see it."""

from dataclasses import replace
from typing import Any

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Work
from services.etl.tables.physical import Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.plan import Plan
from services.etl.tables.plans.standing import found
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.targets.base import Examined, Told
from services.etl.tables.targets.postgresql import PostgresqlTarget
from shared.contracts.connection import PostgresqlConnection
from shared.security.guard import OutboundPolicy
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import TABLE_ID, column

from .conftest import handed_out

DIALECT = DIALECTS["postgresql"]


class House:
    """One data table `t` that follows what is wanted through plans."""

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
        self.target = PostgresqlTarget(
            handed_out(info), OutboundPolicy(allow_loopback=True), reading_seconds=reading_seconds
        )
        self.wanted = Wanted(TABLE_ID, Location("public", "t"), 1, TableDefinition(columns=[]), None, {})

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

    def want(self, definition: TableDefinition, name: str | None = None) -> None:
        """Configure it so."""
        location = Location("public", name or self.wanted.location.name)
        self.wanted = replace(self.wanted, definition=definition, location=location)

    async def examined(self) -> Examined:
        return await self.target.examine(self.wanted.place, lambda sight: self.plan(sight).checks)

    def plan(self, sight: Sight, *, concurrently: bool = False) -> Plan:
        return planning.make_plan(self.wanted, sight, DIALECT, concurrently=concurrently)

    async def planned(self, *, concurrently: bool = False) -> Plan:
        return self.plan((await self.examined()).sight, concurrently=concurrently)

    async def apply(self, *, concurrently: bool = False, told: Told = lambda *_: None) -> Sight:
        """Carry out what is wanted, as a publish that has begun."""
        begun = {self.wanted.revision: self.wanted.definition}
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


def table(*columns: Any, primary: str = "", **keys: Any) -> TableDefinition:
    return TableDefinition.model_validate(
        {"columns": list(columns), "primary_key": [primary] if primary else [], **keys}
    )


def risks(plan: Plan) -> set[str]:
    return {statement.risk for statement in plan.statements}


ID, NAME, AT = column("id", "int32", nullable=False), column("name"), column("at", "timestamp")
