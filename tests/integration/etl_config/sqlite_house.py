"""An SQLite file with a data table, as its owner and others see it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from services.etl.columns import ColumnType
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.targets.sqlite import SqliteTarget
from shared.contracts.connection import SqliteConnection
from tests.unit.etl_config.making import TABLE_ID

from .conftest import handed_out
from .following import Following

DIALECT = DIALECTS["sqlite"]


class House(Following):
    """The data table `t` of one file."""

    dialect = DIALECT
    over_drift = True

    def __init__(self, root: Path) -> None:
        self.file = root / "default" / "w.db"
        super().__init__(
            SqliteTarget(handed_out(SqliteConnection(file="w.db", create=True)), root),
            Wanted(TABLE_ID, Location(None, "t"), 1, TableDefinition(columns=[]), None, {}),
        )

    def run(self, *statements: str) -> list[tuple[object, ...]]:
        """As somebody else who opens the file."""
        rows: list[tuple[object, ...]] = []
        with closing(sqlite3.connect(self.file)) as connection, connection:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        return rows

    def made_by_others(self, *statements: str) -> None:
        """A table `t` that was made by hand, to be adopted."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.run(*statements)


def typed(definition: TableDefinition, name: str, kind: str, **more: object) -> TableDefinition:
    """The same with another type of a column."""
    changed = {"type": ColumnType.parse(kind), "native": None, **more}
    columns = [one.model_copy(update=changed) if one.name == name else one for one in definition.columns]
    return definition.model_copy(update={"columns": columns})
