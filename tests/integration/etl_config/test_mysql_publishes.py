"""What is left of a publish that was cut off, and tables as large as they may be."""

import bisect
from dataclasses import replace

import pytest

from services.etl.tables.checks import definition_faults
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Sql, Statement, Work
from services.etl.tables.difference import difference
from services.etl.tables.errors import TableDrifted, TargetHalfway, TargetRefused
from services.etl.tables.physical import Sight
from services.etl.tables.plans import plan as planning
from services.etl.tables.plans.wanted import Wanted
from services.etl.tables.reading import read
from services.etl.tables.targets.base import Target
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column, key

from .target_contract import (
    TABLE_ID,
    carry_out,
    deciding,
    every_type,
    look,
    place_of,
    published,
    with_column,
)

MYSQL = DIALECTS["mysql"]
pytestmark = pytest.mark.mariadb


class Killed(Exception):
    """What stands for a SIGKILL: nothing more is run."""


class TestInterruptedPublish:
    """DDL commits by itself: after a crash between any two statements the next plan goes on."""

    @pytest.fixture
    def location(self, mariadb_database: MariaDsn) -> Location:
        return Location(mariadb_database.database, "t")

    async def crash(self, target: Target, wanted: Wanted, *, after: int) -> int:
        """Run only the first statements of a publish, as a killed process does; say how many there are."""
        count = 0

        def decide(sight: Sight) -> Work:
            nonlocal count
            work = deciding(wanted, MYSQL)(sight)
            count = len(work.statements)

            def killed(_: Sight) -> None:
                raise Killed

            return replace(work, statements=work.statements[:after], verify=killed)

        with pytest.raises(Killed):
            await carry_out(target, wanted.place, decide)
        return count

    async def finish(self, target: Target, wanted: Wanted) -> None:
        seen = await carry_out(target, wanted.place, deciding(wanted, MYSQL))
        assert seen.physical is not None
        assert difference(wanted.definition, read(seen.physical, MYSQL, like=wanted.definition)).empty
        assert (seen.mark, seen.begun) == (wanted.mark, None)

    async def test_a_first_publish_goes_on_from_wherever_it_ended(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        definition = every_type()
        wanted = Wanted(TABLE_ID, location, 1, definition, None, {1: definition})
        for after in (1, 2, 3, 4):
            assert await self.crash(mysql, wanted, after=after) == 6
            await self.finish(mysql, wanted)
            await mariadb_database.execute("DROP TABLE t", "DROP TABLE _penstock_tables")

    async def test_a_change_goes_on_from_wherever_it_ended(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        for after in (1, 2, 3, 4):
            first = await published(mysql, MYSQL, Wanted(TABLE_ID, location, 1, every_type(), None, {}))
            changed = with_column(first.definition, "more").model_copy(update={"comment": "Other."})
            wanted = replace(first, definition=changed, begun={2: changed})
            assert await self.crash(mysql, wanted, after=after) == 6
            await self.finish(mysql, wanted)
            await mariadb_database.execute("DROP TABLE t", "DROP TABLE _penstock_tables")

    async def test_a_change_of_comments_alone_is_not_taken_for_done(
        self, mysql: Target, location: Location
    ) -> None:
        first = await published(mysql, MYSQL, Wanted(TABLE_ID, location, 1, every_type(), None, {}))
        changed = first.definition.model_copy(update={"comment": "Other."})
        wanted = replace(first, definition=changed, begun={2: changed})
        await self.crash(mysql, wanted, after=2)
        await self.finish(mysql, wanted)

    async def test_a_table_that_was_changed_meanwhile_is_drifted(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        first = await published(mysql, MYSQL, Wanted(TABLE_ID, location, 1, every_type(), None, {}))
        await mariadb_database.execute("ALTER TABLE t MODIFY `C int16` int")
        seen = await look(mysql, location)
        with pytest.raises(TableDrifted, match="C int16"):
            planning.make_plan(first, seen, MYSQL)

    async def test_a_statement_refused_in_the_middle_tells_that_a_part_is_done(
        self, mysql: Target, location: Location
    ) -> None:
        definition = every_type()
        wanted = Wanted(TABLE_ID, location, 1, definition, None, {1: definition})

        def decide(sight: Sight) -> Work:
            work = deciding(wanted, MYSQL)(sight)
            nonsense = Statement(Sql("SELECT nonsense"), "safe", "It is refused.")
            return replace(work, statements=(*work.statements[:3], nonsense))

        with pytest.raises(TargetHalfway):
            await carry_out(mysql, wanted.place, decide)

        await self.finish(mysql, wanted)

    async def test_a_first_statement_that_is_refused_changes_nothing(
        self, mysql: Target, location: Location
    ) -> None:
        nonsense = Work((Statement(Sql("SELECT nonsense"), "safe", "It is refused."),))
        with pytest.raises(TargetRefused):
            await carry_out(mysql, place_of(location), lambda _: nonsense)

        seen = await look(mysql, location)
        assert (seen.physical, seen.mark, seen.begun) == (None, None, None)


class TestLimits:
    """The largest tables that have no faults are ones that the server makes."""

    @pytest.mark.parametrize(
        "kind",
        ["text", "varchar(10)", "varchar(63)", "varchar(64)", "varchar(255)", "uuid", "decimal(38,10)"],
    )
    async def test_the_most_columns_without_a_fault_make_a_table(
        self, mysql: Target, mariadb_database: MariaDsn, kind: str
    ) -> None:
        dialect, place = DIALECTS["mysql"], Location(mariadb_database.database, "t")
        counts = range(1, 1001)
        count = bisect.bisect(
            counts, 0, key=lambda many: len(definition_faults(columns_of(kind, many), place, dialect))
        )
        assert 15 < count < 1000
        work = Work(tuple(dialect.create(place, columns_of(kind, count))))

        await carry_out(mysql, place_of(place), lambda _: work)

    async def test_the_longest_key_without_a_fault_makes_a_table(
        self, mysql: Target, mariadb_database: MariaDsn
    ) -> None:
        dialect, place = DIALECTS["mysql"], Location(mariadb_database.database, "t")
        columns = [column(name) for name in "abc"] + [column("d", "int32"), column("e", "int64")]
        definition = TableDefinition(columns=columns, indexes=[key("i", *"abcde")])
        assert definition_faults(definition, place, dialect) == []

        work = Work(tuple(dialect.create(place, definition)))
        await carry_out(mysql, place_of(place), lambda _: work)


def columns_of(kind: str, count: int) -> TableDefinition:
    return TableDefinition(columns=[column(f"c{at}", kind) for at in range(count)])
