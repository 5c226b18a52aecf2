"""What every kind of target must do; collected by the files beside it, once for each kind."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.dialects import Dialect, Sql, Statement, Work
from services.etl.tables.difference import difference
from services.etl.tables.errors import ChecksFailed, TableDrifted, TableOccupied, TargetRefused
from services.etl.tables.physical import Place, Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.wanted import Revision, Wanted
from services.etl.tables.reading import read
from services.etl.tables.targets.base import Decide, Target
from shared.identifiers import uuid7

TABLE_ID = UUID("018f0000-0000-7000-8000-000000000001")


def every_type() -> TableDefinition:
    """A column of each type, a key, comments."""
    columns = [
        ColumnDefinition(
            id=uuid7(),
            name=f"C {kind}",
            type=ColumnType(
                kind,
                length=20 if kind == "varchar" else None,
                precision=14 if kind == "decimal" else None,
                scale=2 if kind == "decimal" else None,
            ),
            nullable=kind not in {"int64", "text"},
            comment=f"It's of {kind}; 注释 \\",
        )
        for kind in KINDS
    ]
    return TableDefinition(
        columns=columns,
        primary_key=["C text", "C int64"],
        unique_keys=[KeyDefinition(name="one", columns=["C date", "C uuid"])],
        indexes=[KeyDefinition(name="two", columns=["C int32"])],
        comment="All 'types'.",
    )


def with_column(definition: TableDefinition, name: str, *, literal: str | None = None) -> TableDefinition:
    column = ColumnDefinition(
        id=uuid7(),
        name=name,
        type=ColumnType("int64"),
        nullable=literal is None,
        default=None if literal is None else Default(literal=literal),
        comment="Later.",
    )
    return definition.model_copy(update={"columns": [*definition.columns, column]})


def place_of(location: Location, *names: str, table_id: UUID = TABLE_ID) -> Place:
    """Where a table is looked for: under these names, then under its own."""
    return Place(table_id, location, (*names, location.name))


async def look(target: Target, location: Location, *, table_id: UUID = TABLE_ID) -> Sight:
    """What is there now."""
    return (await target.examine(place_of(location, table_id=table_id), lambda _: ())).sight


async def carry_out(target: Target, place: Place, decide: Decide) -> Sight:
    """Carry it out, whoever wants to know how far it is."""
    return await target.carry_out(place, decide, told=lambda step, of: None)


def deciding(wanted: Wanted, dialect: Dialect) -> Decide:
    """The decision that carries out what is wanted, with the notes about it."""

    def decide(sight: Sight) -> Work:
        plan = planning.make_plan(wanted, sight, dialect)
        statements = dialect.journaled(wanted.location, wanted.mark, wanted.definition, plan.statements)
        return Work(tuple(statements), plan.checks, plan.faults, plan.verify)

    return decide


async def published(target: Target, dialect: Dialect, wanted: Wanted) -> Wanted:
    """Publish and return what is wanted from then on."""
    begun = replace(wanted, begun={wanted.revision: wanted.definition})
    await carry_out(target, wanted.place, deciding(begun, dialect))
    revision = Revision(wanted.revision, wanted.definition)
    return replace(wanted, revision=wanted.revision + 1, published=revision, names=(wanted.location.name,))


class TargetContract:
    """A subclass gives the fixtures `target`, `dialect` and `location`."""

    def wanted(self, location: Location, definition: TableDefinition) -> Wanted:
        return Wanted(TABLE_ID, location, 1, definition, None, {})

    async def test_a_published_table_is_read_back_as_it_was_meant(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        definition = every_type()

        await published(target, dialect, self.wanted(location, definition))

        seen = await look(target, location)
        assert seen.physical is not None
        assert difference(definition, read(seen.physical, dialect, like=definition)).sentences() == []
        assert seen.size is not None
        assert seen.size.rows == 0

    async def test_publishing_leaves_a_mark(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        wanted = self.wanted(location, every_type())

        await published(target, dialect, wanted)

        assert (await look(target, location)).mark == wanted.mark
        (marked,) = await target.marked()
        assert (marked.table_id, marked.location, marked.exists) == (TABLE_ID, location, True)

    async def test_a_table_of_another_data_table_is_not_taken_for_this_one(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        other = replace(location, name="other")
        definition = with_column(TableDefinition(columns=[]), "a")
        mine = await published(target, dialect, self.wanted(location, definition))
        await published(target, dialect, replace(self.wanted(other, definition), table_id=uuid7()))
        drop = Work((dialect.drop(location),))
        await carry_out(target, mine.place, lambda _: drop)
        moved = replace(mine, location=other, names=(location.name, other.name))

        seen = (await target.examine(moved.place, lambda _: ())).sight

        with pytest.raises(TableOccupied, match="table of another data table"):
            planning.make_plan(moved, seen, dialect, over_drift=True)

    async def test_who_makes_a_table_has_its_name_and_nobody_else_any_more(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        definition = with_column(TableDefinition(columns=[]), "a")
        mine = await published(target, dialect, self.wanted(location, definition))
        await carry_out(target, mine.place, lambda _: Work((dialect.drop(location),)))
        other = replace(self.wanted(location, definition), table_id=uuid7())

        await published(target, dialect, other)

        (marked,) = await target.marked()
        assert marked.table_id == other.table_id
        seen = (await target.examine(mine.place, lambda _: ())).sight
        with pytest.raises(TableOccupied):
            planning.make_plan(mine, seen, dialect, over_drift=True)

    async def test_nothing_is_there_before_the_first_publish(
        self, target: Target, location: Location
    ) -> None:
        seen = await look(target, location)

        assert (seen.physical, seen.mark, seen.name) == (None, None, None)
        assert await target.marked() == []

    async def test_a_second_publish_changes_the_table(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        first = await published(target, dialect, self.wanted(location, every_type()))
        after = with_column(with_column(first.definition, "more"), "counted", literal="-7")
        renamed = replace(location, name="Called otherwise")

        await published(target, dialect, replace(first, definition=after, location=renamed))

        seen = await look(target, renamed)
        assert seen.physical is not None
        assert difference(after, read(seen.physical, dialect, like=after)).sentences() == []
        assert (await look(target, replace(location, name="elsewhere"))).physical is not None, "by its mark"

    async def test_nothing_to_do_is_a_plan(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        first = await published(target, dialect, self.wanted(location, every_type()))

        plan = planning.make_plan(first, await look(target, location), dialect)

        assert (plan.kind, plan.statements, plan.checks, plan.faults) == ("none", (), (), ())

    async def test_what_the_decision_raises_ends_the_transaction(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        def decide(_: Sight) -> Work:
            raise TableDrifted(differences="none")

        with pytest.raises(TableDrifted):
            await carry_out(target, place_of(location), decide)

        await published(target, dialect, self.wanted(location, every_type()))

    async def test_rows_that_stand_against_a_change_are_found_and_nothing_is_done(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        first = await published(target, dialect, self.wanted(location, every_type()))
        values = ", ".join(
            dialect.literal(column.type, _VALUES[column.type.kind]) for column in first.definition.columns
        )
        row = Statement(Sql(f"INSERT INTO {dialect.at(location)} VALUES ({values})"), "safe", "A row.")
        await carry_out(target, place_of(location), lambda _: Work((row,)))
        after = with_column(first.definition, "needed")
        needed = after.columns[-1].model_copy(update={"nullable": False})
        wanted = replace(
            first, definition=after.model_copy(update={"columns": [*after.columns[:-1], needed]})
        )

        with pytest.raises(ChecksFailed) as failed:
            await published(target, dialect, wanted)

        loc = ("columns", len(after.columns) - 1, "default")
        assert [(fault.loc, fault.code) for fault in failed.value.faults] == [(loc, "value_missing")]
        plan = planning.make_plan(wanted, await look(target, location), dialect)
        examined = await target.examine(wanted.place, lambda _: plan.checks)
        assert [finding.rows for finding in examined.findings] == [1]
        assert planning.make_plan(first, examined.sight, dialect).kind == "none"

    async def test_two_publishes_at_the_same_time_make_one_table(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        wanted = self.wanted(location, every_type())
        seen: list[bool] = []

        def decide(sight: Sight) -> Work:
            seen.append(sight.physical is None)
            return deciding(wanted, dialect)(sight) if sight.physical is None else Work()

        await asyncio.gather(*(carry_out(target, place_of(location), decide) for _ in range(4)))

        assert sorted(seen) == [False, False, False, True]

    async def test_a_mark_is_of_one_table(self, target: Target, dialect: Dialect, location: Location) -> None:
        await published(target, dialect, self.wanted(location, every_type()))

        assert (await look(target, location, table_id=uuid7())).mark is None

    async def test_a_dropped_table_and_its_mark_are_gone(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        await published(target, dialect, self.wanted(location, every_type()))

        def decide(sight: Sight) -> Work:
            assert sight.mark is not None
            notes = dialect.unmarking(location, sight.mark)
            return Work((dialect.drop(location), *notes))

        await carry_out(target, place_of(location), decide)

        seen = await look(target, location)
        assert (seen.physical, seen.mark) == (None, None)


class TransactionalContract(TargetContract):
    """What those do besides whose DDL is part of a transaction."""

    async def test_a_refused_statement_leaves_nothing_behind(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        def decide(sight: Sight) -> Work:
            work = deciding(self.wanted(location, every_type()), dialect)(sight)
            return replace(work, statements=(*work.statements, Statement(Sql("SELECT nonsense"), "safe", "")))

        with pytest.raises(TargetRefused):
            await carry_out(target, place_of(location), decide)

        seen = await look(target, location)
        assert (seen.physical, seen.mark) == (None, None)


_VALUES = {
    "text": "a",
    "varchar": "b",
    "boolean": "true",
    "int16": "1",
    "int32": "2",
    "int64": "3",
    "decimal": "4.50",
    "float32": "1.5",
    "float64": "2.5",
    "date": "2026-01-31",
    "time": "13:45:00",
    "timestamp": "2026-01-31 13:45:00",
    "timestamptz": "2026-01-31 13:45:00+00:00",
    "json": "{}",
    "uuid": "018f0000-0000-7000-8000-000000000001",
    "bytes": "00ff",
}
