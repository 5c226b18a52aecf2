"""A pair of configurations with rows for the first, and the story of going from one to the other."""

import datetime as dt
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.dialects import Dialect, Finding
from services.etl.tables.errors import ChecksFailed
from services.etl.tables.plans.plan import Plan
from shared import clock

from .changing import NOW, Changing, Row
from .databases import Database
from .definitions import Draw, is_valid, tables
from .edits import edited
from .foreseeing import Foreseen, distinct, foreseen
from .judging import require_made, require_true
from .publishing import Publisher
from .rows import drawn, probe
from .serving import ServedTable
from .values import read


@dataclass(frozen=True)
class Pair:
    """Where and what a table is, where and what it is to be, and what is in it.

    `probe` is a row for it afterwards, without the columns that have a default.
    """

    place: Location
    before: TableDefinition
    new_place: Location
    after: TableDefinition
    rows: Sequence[Row]
    probe: Row


SCHEMA = "the schema of this pair"


@st.composite
def pairs(draw: Draw, dialect: Dialect) -> Pair:
    """Two valid configurations of one table in SCHEMA, and rows for the first."""
    schema = SCHEMA if dialect.capabilities.schemas else None
    place, before = draw(tables(dialect, schema))
    assume(is_valid(before, place, dialect))
    new_place, after = edited(draw, dialect, place, before)
    assume(is_valid(after, new_place, dialect))
    return Pair(
        place, before, new_place, after, drawn(draw, dialect, before, after), probe(draw, dialect, after)
    )


class Story:
    """One pair in one database, step by step."""

    def __init__(self, database: Database, pair: Pair) -> None:
        self.database = database
        self.dialect = database.dialect
        self.pair = pair
        self.place = Location(database.schema, pair.place.name)
        self.new_place = Location(database.schema, pair.new_place.name)
        self.changing = Changing(self.dialect, pair.before, pair.after)
        self.notes: list[str] = []
        self.publisher: Publisher | ServedTable = Publisher.of(
            database.target, self.dialect, (self.place, pair.before)
        )

    async def told(self) -> None:
        """Play it; whoever reads of a failure is told what was played."""
        try:
            await self.play()
        except Exception as error:
            for line in (described(self.pair), *self.notes):
                error.add_note(line)
            raise

    def note(self, plan: Plan, findings: Sequence[Finding]) -> None:
        """Keep a plan for whoever reads of a failure."""
        self.notes.append(f"{plan.kind} {plan.faults}")
        self.notes += [f"  [{one.risk}] {one.sql}" for one in plan.statements]
        self.notes += [f"  {one.rows} rows: {one.check.code} at {one.check.loc}" for one in findings]

    async def play(self) -> None:
        """From the first configuration to the second, with whatever rows can come along."""
        await self.publisher.publish()
        await self.database.insert(self.place, self.pair.before, self.pair.rows)
        rows = await self.database.rows(self.place, self.pair.before)
        assert counted(rows) == counted(self.pair.rows)
        self.publisher.edit(self.new_place, self.pair.after)
        came = foreseen(self.changing, rows)
        plan, findings = await self.publisher.plan()
        self.note(plan, findings)
        require_true(self.changing, came, findings)
        assert plan.faults == ()
        if came.obstacles:
            came = await self._refused(plan, came)
            plan, findings = await self.publisher.plan()
            self.note(plan, findings)
            require_true(self.changing, came, findings)
        await self._applied(plan, came)

    async def _refused(self, plan: Plan, came: Foreseen) -> Foreseen:
        """Nothing happens as long as rows stand against it; then those go."""
        before = await self.database.picture()
        with pytest.raises(ChecksFailed):
            await self.publisher.apply(plan.hash)
        assert await self.database.picture() == before
        good = distinct(came, self.pair.after)
        await self.database.empty(self.place)
        await self.database.insert(self.place, self.pair.before, good)
        return foreseen(self.changing, good)

    async def _applied(self, plan: Plan, came: Foreseen) -> None:
        assert plan.faults == ()
        assert plan.destructive == bool(came.lost)
        sight = await self.publisher.apply(plan.hash)
        assert sight.name == self.new_place.name
        require_made(self.dialect, sight.physical, self.pair.after)
        rows = await self.database.rows(self.new_place, self.pair.after)
        assert counted(self._timeless(rows)) == counted(came.rows)
        again, findings = await self.publisher.plan()
        assert (again.kind, again.statements, findings) == ("none", (), ())

        await self._require_defaults()

    def _timeless(self, rows: Sequence[Row]) -> list[Row]:
        """The rows with NOW where the change has put its time."""
        filled = {
            column.id
            for column in self.pair.after.columns
            if self.changing.fate(column) == "new" and column.default and column.default.function
        }
        for row in rows:
            for column in filled:
                require_recent(row[column])
        return [{**row, **dict.fromkeys(filled, NOW)} for row in rows]

    async def _require_defaults(self) -> None:
        """A row that says nothing of the columns with defaults gets these."""
        await self.database.empty(self.new_place)
        bare = [column for column in self.pair.after.columns if column.id in self.pair.probe]
        if not bare:
            return
        named = self.pair.after.model_copy(update={"columns": bare})
        await self.database.insert(self.new_place, named, [self.pair.probe])
        (row,) = await self.database.rows(self.new_place, self.pair.after)
        for column in self.pair.after.columns:
            if column.default is None:
                assert row[column.id] == self.pair.probe[column.id]
            elif column.default.literal is None:
                require_recent(row[column.id])
            else:
                assert alike(column, row[column.id], read(column.type, column.default.literal))


def alike(column: ColumnDefinition, found: Any, wanted: Any) -> bool:
    """Whether both are the same value of the column's type: a single float has no more than 24 bits."""
    if column.type.kind == "float32" and column.native is None:
        return struct.pack("f", found) == struct.pack("f", wanted)
    return bool(found == wanted)


def require_recent(moment: Any) -> None:
    """A time in UTC, or a day, of the last minutes."""
    now = clock.now()
    if not isinstance(moment, dt.datetime):
        assert abs(now.date() - moment) <= dt.timedelta(days=1)
    else:
        assert abs(now - moment.replace(tzinfo=dt.UTC)) < dt.timedelta(minutes=5)


def counted(rows: Sequence[Mapping[Any, Any]]) -> Counter[str]:
    """Rows without an order."""
    return Counter(repr(sorted((str(key), value) for key, value in row.items())) for row in rows)


def described(pair: Pair) -> str:
    """The pair on a few lines."""
    lines = [repr(pair.place.name), *_lines(pair.before), f"-> {pair.new_place.name!r}", *_lines(pair.after)]
    rows = [repr({str(key)[-4:]: value for key, value in row.items()}) for row in pair.rows]
    return "\n    ".join([*lines, *rows])


def _lines(definition: TableDefinition) -> Iterator[str]:
    for one in definition.columns:
        null = "null" if one.nullable else "not null"
        yield f"{str(one.id)[-4:]} {one.name!r} {one.native or one.type} {null} {one.default} {one.comment!r}"
    keys = [(key.name, key.columns) for key in (*definition.unique_keys, *definition.indexes)]
    yield f"{definition.primary_key} {keys} {definition.comment!r}"
