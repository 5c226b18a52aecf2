"""What every kind of target must do; collected by the files beside it, once for each kind."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from services.etl.columns import KINDS, ColumnType
from services.etl.tables import plan as planning
from services.etl.tables.definition import (
    ColumnDefinition,
    Default,
    KeyDefinition,
    Location,
    TableDefinition,
)
from services.etl.tables.dialects import Dialect, Sql
from services.etl.tables.drift import against_definition
from services.etl.tables.errors import TableDrifted, TargetRefused
from services.etl.tables.physical import Physical, Sight
from services.etl.tables.targets import Decide, Target
from services.etl.tables.wanted import Revision, Wanted
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


class TargetContract:
    """A subclass gives the fixtures `target`, `dialect` and `location`."""

    def wanted(self, location: Location, definition: TableDefinition) -> Wanted:
        return Wanted(TABLE_ID, location, 1, definition, None, {})

    async def published(self, target: Target, dialect: Dialect, wanted: Wanted) -> Wanted:
        """Publish and return what is wanted from then on."""
        seen = await target.apply(wanted.location, wanted.table_id, statements(wanted, dialect))
        revision = Revision(wanted.revision, wanted.definition, seen.physical)
        return replace(wanted, revision=wanted.revision + 1, published=revision)

    async def test_a_published_table_is_read_back_as_it_was_meant(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        definition = every_type()

        await self.published(target, dialect, self.wanted(location, definition))

        seen = await target.look(location, TABLE_ID)
        assert seen.physical is not None
        assert against_definition(seen.physical, definition, dialect) == []
        assert seen.physical.comment == definition.comment
        assert [c.comment for c in seen.physical.columns] == [c.comment for c in definition.columns]

    async def test_publishing_leaves_a_mark(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        wanted = self.wanted(location, every_type())

        await self.published(target, dialect, wanted)

        assert (await target.look(location, TABLE_ID)).mark == wanted.mark

    async def test_nothing_is_there_before_the_first_publish(
        self, target: Target, location: Location
    ) -> None:
        assert await target.look(location, TABLE_ID) == Sight(None, None)

    async def test_a_second_publish_adds_columns_and_comments(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        first = await self.published(target, dialect, self.wanted(location, every_type()))
        after = with_column(with_column(first.definition, "more"), "counted", literal="-7")

        await self.published(target, dialect, replace(first, definition=after))

        seen = await target.look(location, TABLE_ID)
        assert seen.physical is not None
        assert against_definition(seen.physical, after, dialect) == []
        assert seen.physical.columns[-1].comment == "Later."

    async def test_what_the_decision_raises_ends_the_transaction(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        def decide(_: Sight) -> list[Sql]:
            raise TableDrifted(differences="none")

        with pytest.raises(TableDrifted):
            await target.apply(location, TABLE_ID, decide)

        await self.published(target, dialect, self.wanted(location, every_type()))

    async def test_two_publishes_at_the_same_time_make_one_table(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        wanted = self.wanted(location, every_type())
        seen: list[bool] = []

        def decide(sight: Sight) -> list[Sql]:
            seen.append(sight.physical is None)
            return list(statements(wanted, dialect)(sight)) if sight.physical is None else []

        await asyncio.gather(*(target.apply(location, TABLE_ID, decide) for _ in range(4)))

        assert sorted(seen) == [False, False, False, True]

    async def test_a_mark_is_of_one_table_under_one_name(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))

        assert (await target.look(location, uuid7())).mark is None
        assert (await target.look(replace(location, name="elsewhere"), TABLE_ID)).mark is None

    async def test_a_dropped_table_and_its_mark_are_gone(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        await self.published(target, dialect, self.wanted(location, every_type()))

        def decide(sight: Sight) -> list[Sql]:
            assert sight.mark is not None
            return [dialect.drop(location).sql, *dialect.unmarking(location, sight.mark)]

        await target.apply(location, TABLE_ID, decide)

        assert await target.look(location, TABLE_ID) == Sight(None, None)

    async def test_the_snapshot_of_a_publish_survives_being_kept(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        wanted = await self.published(target, dialect, self.wanted(location, every_type()))
        assert wanted.published is not None
        assert wanted.published.snapshot is not None

        kept = Physical.from_json(wanted.published.snapshot.to_json())

        assert kept == (await target.look(location, TABLE_ID)).physical


class TransactionalContract(TargetContract):
    """What those do besides whose DDL is part of a transaction."""

    async def test_a_refused_statement_leaves_nothing_behind(
        self, target: Target, dialect: Dialect, location: Location
    ) -> None:
        def decide(sight: Sight) -> list[Sql]:
            return [*statements(self.wanted(location, every_type()), dialect)(sight), Sql("SELECT nonsense")]

        with pytest.raises(TargetRefused):
            await target.apply(location, TABLE_ID, decide)

        assert await target.look(location, TABLE_ID) == Sight(None, None)


def statements(wanted: Wanted, dialect: Dialect) -> Decide:
    """The decision that carries out what is wanted, with the notes about it."""

    def decide(sight: Sight) -> list[Sql]:
        made = [statement.sql for statement in planning.make(wanted, sight, dialect).statements]
        return dialect.noted(wanted.location, wanted.mark, wanted.definition, made)

    return decide
