"""An SQLite file with a data table, as its owner and others see it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from services.etl.columns import ColumnType
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Work
from services.etl.tables.physical import Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.plan import Plan
from services.etl.tables.plans.standing import found
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.targets.base import Examined
from services.etl.tables.targets.sqlite import SqliteTarget
from shared.contracts.connection import SqliteConnection
from tests.unit.etl_config.making import TABLE_ID, column

from .conftest import handed_out

DIALECT = DIALECTS["sqlite"]


class House:
    """A file with one data table, that follows what is wanted through plans."""

    def __init__(self, root: Path) -> None:
        self.target = SqliteTarget(handed_out(SqliteConnection(file="w.db", create=True)), root)
        self.file = root / "default" / "w.db"
        self.wanted = Wanted(TABLE_ID, Location(None, "t"), 1, TableDefinition(columns=[]), None, {})

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """As somebody else who opens the file."""
        rows: list[tuple[object, ...]] = []
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        return rows

    def made_by_others(self, *statements: str) -> None:
        """A table `t` that was made by hand and has been adopted."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.run(*statements)

    async def adopt(self) -> TableDefinition:
        physical = (await self.target.examine(self.wanted.place, lambda _: ())).sight.physical
        assert physical is not None
        definition = found(self.wanted, physical, DIALECT)
        self.wanted = replace(
            self.wanted, definition=definition, published=Revision(1, definition), revision=2
        )
        await self.publish(definition)
        return definition

    async def examined(self) -> Examined:
        return await self.target.examine(self.wanted.place, lambda sight: self.plan(sight).checks)

    def plan(self, sight: Sight) -> Plan:
        return planning.make_plan(self.wanted, sight, DIALECT, over_drift=True)

    async def publish(self, definition: TableDefinition, name: str | None = None) -> Plan:
        """Make the table so, and see that nothing is left to do."""
        location = Location(None, name or self.wanted.location.name)
        self.wanted = replace(self.wanted, definition=definition, location=location)
        try:
            plan = self.plan((await self.target.examine(self.wanted.place, lambda _: ())).sight)
            await self.target.carry_out(self.wanted.place, self.work, told=lambda *_: None)
        except Exception:
            if self.wanted.published is not None:
                self.wanted = replace(self.wanted, definition=self.wanted.published.definition)
            raise
        self.wanted = replace(
            self.wanted,
            published=Revision(self.wanted.revision, definition),
            revision=self.wanted.revision + 1,
            names=(location.name,),
        )
        again = self.plan((await self.examined()).sight)
        assert (again.kind, again.statements, again.faults) == ("none", (), ())
        return plan

    def work(self, sight: Sight) -> Work:
        plan = self.plan(sight)
        wanted = self.wanted
        statements = DIALECT.journaled(wanted.location, wanted.mark, wanted.definition, plan.statements)
        return Work(tuple(statements), plan.checks, plan.faults, plan.verify)


def table(*columns: ColumnDefinition, primary: str = "", **keys: object) -> TableDefinition:
    return TableDefinition.model_validate(
        {"columns": list(columns), "primary_key": [primary] if primary else [], **keys}
    )


def typed(definition: TableDefinition, name: str, kind: str, **more: object) -> TableDefinition:
    """The same with another type of a column."""
    changed = {"type": ColumnType.parse(kind), "native": None, **more}
    columns = [one.model_copy(update=changed) if one.name == name else one for one in definition.columns]
    return definition.model_copy(update={"columns": columns})


def risks(plan: Plan) -> set[str]:
    return {statement.risk for statement in plan.statements}


ID, NAME, AT = column("id", "int32", nullable=False), column("name"), column("at", "timestamp")
