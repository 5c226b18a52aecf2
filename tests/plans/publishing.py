"""Publishing as the service does it, with what its own database would remember."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import Check, Dialect, Finding, Work
from services.etl.tables.errors import PlanOutdated
from services.etl.tables.physical import Sight
from services.etl.tables.plans.plan import Plan, make_plan
from services.etl.tables.plans.planning import noted
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.targets.base import Target

TABLE_ID = UUID("018f0000-0000-7000-8000-000000000001")
Told = Callable[[int, int], None]


class Publisher:
    """One data table in one target."""

    def __init__(self, target: Target, dialect: Dialect, wanted: Wanted) -> None:
        self.target = target
        self.dialect = dialect
        self.wanted = wanted

    @classmethod
    def of(cls, target: Target, dialect: Dialect, at: tuple[Location, TableDefinition]) -> "Publisher":
        """A draft."""
        location, definition = at
        return cls(target, dialect, Wanted(TABLE_ID, location, 1, definition, None, {}))

    def edit(self, location: Location, definition: TableDefinition) -> None:
        """Configure it otherwise."""
        names = (*self.wanted.names, self.wanted.location.name)
        self.wanted = replace(
            self.wanted,
            location=location,
            definition=definition,
            revision=self.wanted.revision + 1,
            names=tuple(dict.fromkeys(names)),
        )

    async def plan(self, *, concurrently: bool = False) -> tuple[Plan, tuple[Finding, ...]]:
        """The plan that people are shown, and what stands against it."""

        def ask(sight: Sight) -> tuple[Check, ...]:
            return make_plan(self.wanted, sight, self.dialect, concurrently=concurrently).checks

        examined = await self.target.examine(self.wanted.place, ask)
        plan = make_plan(self.wanted, examined.sight, self.dialect, concurrently=concurrently)
        return plan, examined.findings

    async def apply(
        self, plan_hash: str, *, told: Told = lambda *_: None, concurrently: bool = False
    ) -> Sight:
        """Carry out the plan of this hash. Raises PlanOutdated when it is another one by now."""
        wanted = self.begin()

        def decide(sight: Sight) -> Work:
            plan = make_plan(wanted, sight, self.dialect, concurrently=concurrently)
            if plan.hash != plan_hash:
                raise PlanOutdated

            def verify(after: Sight) -> None:
                plan.verify(after)
                self.verified(after)

            work = noted(wanted, self.dialect, plan.statements)
            return replace(work, checks=plan.checks, faults=plan.faults, verify=verify)

        sight = await self.target.carry_out(wanted.place, decide, told=told)
        self.finish()
        return sight

    def verified(self, sight: Sight) -> None:
        """For those who want to be there between the last statement and the commit."""

    def begin(self) -> Wanted:
        """Remember that a publish has begun, as is done before the target is touched."""
        begun = {**self.wanted.begun, self.wanted.revision: self.wanted.definition}
        self.wanted = replace(self.wanted, begun=begun)
        return self.wanted

    def finish(self) -> None:
        """Remember that it is published."""
        done = Revision(self.wanted.revision, self.wanted.definition)
        self.wanted = replace(
            self.wanted,
            published=done,
            begun={},
            names=(self.wanted.location.name,),
            revision=self.wanted.revision + 1,
        )

    async def publish(self) -> Sight:
        """Plan and apply."""
        plan, _ = await self.plan()
        return await self.apply(plan.hash)
