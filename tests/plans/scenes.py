"""One table that changes in every way at once, with a hundred rows, for crashes and races."""

from typing import Final

from services.etl.tables.definition import Location, TableDefinition
from tests.unit.etl_config.making import column, key

from .changing import Changing, Row
from .databases import Database
from .foreseeing import foreseen
from .judging import require_made
from .pairs import counted
from .publishing import Publisher

ROWS: Final = 100
BEFORE: Final = TableDefinition(
    columns=[
        column("number", "int32", nullable=False),
        column("name", "varchar(40)", nullable=False, comment="As it was."),
        column("code", "text"),
        column("price", "decimal(9,2)", literal="0.00"),
        column("left", "text", identity="one"),
        column("right", "text", identity="two"),
        column("old", "date"),
    ],
    primary_key=["number"],
    unique_keys=[key("by code", "code")],
    indexes=[key("by name", "name"), key("by both", "left", "right")],
    comment="Before.",
)
AFTER: Final = TableDefinition(
    columns=[
        column("number", "int64", nullable=False),
        column("title", "text", nullable=False, identity="name", comment="Another name."),
        column("code", "int32"),
        column("price", "decimal(12,4)", nullable=False, literal="1.0000"),
        column("right", "text", identity="one"),
        column("left", "text", identity="two"),
        column("new", "int16", nullable=False, literal="7"),
    ],
    primary_key=["number"],
    unique_keys=[key("by number and code", "number", "code"), key("by code", "code")],
    indexes=[key("by title", "title"), key("by both", "left")],
    comment="After.",
)
COLUMNS: Final = {one.name: one.id for one in BEFORE.columns}


def rows() -> list[Row]:
    """Rows that can all come along."""
    made = []
    for number in range(ROWS):
        values = [number, f"Name {number}", f"{number:04}", number, f"left {number}", f"right {number}", None]
        made.append(dict(zip(COLUMNS.values(), values, strict=True)))
    return made


class Scene:
    """The table in one database, published as BEFORE, with its rows, and configured as AFTER."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.place = Location(database.schema, "the table")
        self.new_place = Location(database.schema, "another table")
        self.publisher = Publisher.of(database.target, database.dialect, (self.place, BEFORE))

    async def ready(self) -> None:
        """Publish, fill and edit."""
        await self.publisher.publish()
        await self.database.insert(self.place, BEFORE, rows())
        self.publisher.edit(self.new_place, AFTER)

    async def require_done(self) -> None:
        """The table is AFTER, has all rows, and there is nothing left to do."""
        place = self.publisher.wanted.place
        sight = (await self.database.target.examine(place, lambda _: ())).sight
        assert (sight.name, sight.begun, sight.taken) == (self.new_place.name, None, None)
        require_made(self.database.dialect, sight.physical, AFTER)
        came = foreseen(Changing(self.database.dialect, BEFORE, AFTER), rows())
        assert counted(await self.database.rows(self.new_place, AFTER)) == counted(came.rows)
        plan, _ = await self.publisher.plan()
        assert (plan.kind, plan.statements) == ("none", ())
