"""What is left of a publish that was cut off, and tables as large as they may be."""

import bisect
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.etl.tables import plan as planning
from services.etl.tables.checks import definition_faults
from services.etl.tables.definition import Location, TableDefinition
from services.etl.tables.dialects import DIALECTS, Sql
from services.etl.tables.drift import against_definition
from services.etl.tables.errors import TableDrifted, TableOccupied, TargetHalfway, TargetRefused
from services.etl.tables.physical import Sight
from services.etl.tables.targets import Target
from services.etl.tables.wanted import Wanted
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column, key

from .target_contract import TABLE_ID, TargetContract, every_type, statements, with_column

pytestmark = pytest.mark.mariadb


class TestInterruptedPublish:
    """DDL commits by itself: after a crash between any two statements the next plan goes on."""

    @pytest.fixture
    def location(self, mariadb_database: MariaDsn) -> Location:
        return Location(mariadb_database.database, "t")

    async def crash(self, target: Target, wanted: Wanted, *, after: int) -> int:
        """Run only the first statements of a publish, as a killed process does; say how many there are."""
        dialect, count = DIALECTS["mysql"], 0

        def decide(sight: Sight) -> Sequence[Sql]:
            nonlocal count
            script = statements(wanted, dialect)(sight)
            count = len(script)
            return script[:after]

        await target.apply(wanted.location, wanted.table_id, decide)
        return count

    async def finish(self, target: Target, wanted: Wanted) -> None:
        dialect = DIALECTS["mysql"]
        seen = await target.apply(wanted.location, wanted.table_id, statements(wanted, dialect))
        assert seen.physical is not None
        assert against_definition(seen.physical, wanted.definition, dialect) == []
        assert seen.physical.comment == wanted.definition.comment
        assert seen.physical.has_comments_of(wanted.definition)
        assert (seen.mark, seen.begun) == (wanted.mark, None)

    async def test_a_first_publish_goes_on_from_wherever_it_ended(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        definition = every_type()
        wanted = Wanted(TABLE_ID, location, 1, definition, None, {1: definition})
        after, count = 1, 99
        while after < count:
            count = await self.crash(mysql, wanted, after=after)
            await self.finish(mysql, wanted)
            await mariadb_database.execute("DROP TABLE t", "DROP TABLE _penstock_tables")
            after += 1
        assert count == 5

    async def test_a_change_goes_on_from_wherever_it_ended(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        contract, dialect = TargetContract(), DIALECTS["mysql"]
        after, count = 1, 99
        while after < count:
            first = await contract.published(mysql, dialect, contract.wanted(location, every_type()))
            changed = with_column(first.definition, "more").model_copy(update={"comment": "Other."})
            wanted = replace(first, definition=changed, begun={2: changed})
            count = await self.crash(mysql, wanted, after=after)
            await self.finish(mysql, wanted)
            await mariadb_database.execute("DROP TABLE t", "DROP TABLE _penstock_tables")
            after += 1
        assert count == 5

    async def test_a_change_of_comments_alone_is_not_taken_for_done(
        self, mysql: Target, location: Location
    ) -> None:
        contract, dialect = TargetContract(), DIALECTS["mysql"]
        first = await contract.published(mysql, dialect, contract.wanted(location, every_type()))
        changed = first.definition.model_copy(update={"comment": "Other."})
        wanted = replace(first, definition=changed, begun={2: changed})
        await self.crash(mysql, wanted, after=2)
        await self.finish(mysql, wanted)

    async def test_a_note_alone_takes_over_no_table_of_somebody_else(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        definition = every_type()
        wanted = Wanted(TABLE_ID, location, 1, definition, None, {1: definition})
        await self.crash(mysql, wanted, after=2)
        await mariadb_database.execute("CREATE TABLE t (a int)")
        seen = await mysql.look(location, TABLE_ID)
        with pytest.raises(TableOccupied):
            planning.make(wanted, seen, DIALECTS["mysql"])

    async def test_a_table_that_was_changed_meanwhile_is_drifted(
        self, mysql: Target, location: Location, mariadb_database: MariaDsn
    ) -> None:
        contract, dialect = TargetContract(), DIALECTS["mysql"]
        first = await contract.published(mysql, dialect, contract.wanted(location, every_type()))
        await mariadb_database.execute("ALTER TABLE t MODIFY `C int16` int")
        seen = await mysql.look(location, TABLE_ID)
        with pytest.raises(TableDrifted, match="C int16"):
            planning.make(first, seen, dialect)

    async def test_a_statement_refused_in_the_middle_tells_that_a_part_is_done(
        self, mysql: Target, location: Location
    ) -> None:
        definition = every_type()
        wanted = Wanted(TABLE_ID, location, 1, definition, None, {1: definition})

        def decide(sight: Sight) -> Sequence[Sql]:
            *script, _, ended = statements(wanted, DIALECTS["mysql"])(sight)
            return [*script, Sql("SELECT nonsense"), ended]

        with pytest.raises(TargetHalfway):
            await mysql.apply(location, TABLE_ID, decide)

        await self.finish(mysql, wanted)

    async def test_a_first_statement_that_is_refused_changes_nothing(
        self, mysql: Target, location: Location
    ) -> None:
        with pytest.raises(TargetRefused):
            await mysql.apply(location, TABLE_ID, lambda _: [Sql("SELECT nonsense")])

        assert await mysql.look(location, TABLE_ID) == Sight(None, None)


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
        statements = [one.sql for one in dialect.create(place, columns_of(kind, count))]

        await mysql.apply(place, TABLE_ID, lambda _: statements)

    async def test_the_longest_key_without_a_fault_makes_a_table(
        self, mysql: Target, mariadb_database: MariaDsn
    ) -> None:
        dialect, place = DIALECTS["mysql"], Location(mariadb_database.database, "t")
        columns = [column(name) for name in "abc"] + [column("d", "int32"), column("e", "int64")]
        definition = TableDefinition(columns=columns, indexes=[key("i", *"abcde")])
        assert definition_faults(definition, place, dialect) == []

        await mysql.apply(place, TABLE_ID, lambda _: [one.sql for one in dialect.create(place, definition)])


def columns_of(kind: str, count: int) -> TableDefinition:
    return TableDefinition(columns=[column(f"c{at}", kind) for at in range(count)])
