"""A data table that follows what is wanted through plans, on any engine."""

from dataclasses import replace
from typing import ClassVar

from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.dialects import Dialect, Work
from services.etl.tables.physical import Sight
from services.etl.tables.plans.plan import Plan, make_plan
from services.etl.tables.plans.standing import found
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.targets.base import Examined, Target, Told
from tests.unit.etl_config.making import column


class Following:
    """One data table in a target, published again and again."""

    dialect: ClassVar[Dialect]
    over_drift: ClassVar[bool] = False

    def __init__(self, target: Target, wanted: Wanted) -> None:
        self.target = target
        self.wanted = wanted

    async def adopt(self) -> TableDefinition:
        """Take what others have made for ours."""
        physical = (await self.target.examine(self.wanted.place, lambda _: ())).sight.physical
        assert physical is not None
        definition = found(self.wanted, physical, self.dialect)
        self.wanted = replace(
            self.wanted, definition=definition, published=Revision(1, definition), revision=2
        )
        await self.publish(definition)
        return definition

    def want(self, definition: TableDefinition, name: str | None = None) -> None:
        """Configure it so."""
        location = replace(self.wanted.location, name=name or self.wanted.location.name)
        self.wanted = replace(self.wanted, definition=definition, location=location)

    async def examined(self) -> Examined:
        return await self.target.examine(self.wanted.place, lambda sight: self.plan(sight).checks)

    def plan(self, sight: Sight, *, concurrently: bool = False) -> Plan:
        return make_plan(
            self.wanted, sight, self.dialect, concurrently=concurrently, over_drift=self.over_drift
        )

    async def planned(self, *, concurrently: bool = False) -> Plan:
        return self.plan((await self.examined()).sight, concurrently=concurrently)

    def work(self, sight: Sight, *, concurrently: bool = False) -> Work:
        """What an apply does, with the notes that it leaves."""
        plan, wanted = self.plan(sight, concurrently=concurrently), self.wanted
        noted = self.dialect.journaled(wanted.location, wanted.mark, wanted.definition, plan.statements)
        return Work(tuple(noted), plan.checks, plan.faults, plan.verify)

    async def apply(self, *, concurrently: bool = False, told: Told = lambda *_: None) -> Sight:
        """Carry out what is wanted, as a publish that has begun."""
        begun = {**self.wanted.begun, self.wanted.revision: self.wanted.definition}
        self.wanted = wanted = replace(self.wanted, begun=begun)
        sight = await self.target.carry_out(
            wanted.place, lambda sight: self.work(sight, concurrently=concurrently), told=told
        )
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


def table(*columns: ColumnDefinition, primary: str = "", **keys: object) -> TableDefinition:
    return TableDefinition.model_validate(
        {"columns": list(columns), "primary_key": [primary] if primary else [], **keys}
    )


def risks(plan: Plan) -> set[str]:
    return {statement.risk for statement in plan.statements}


ID, NAME, AT = column("id", "int32", nullable=False), column("name"), column("at", "timestamp")
