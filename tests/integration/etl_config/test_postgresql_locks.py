"""Changes of a PostgreSQL table beside others: indexes without a lock, waits for locks, looks."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from services.etl.destinations._postgresql_sql import lock_number
from services.etl.tables.definition import Location
from services.etl.tables.dialects import Check, Sql
from services.etl.tables.errors import TargetBusy, TargetHalfway, TargetRefused
from services.etl.tables.targets import _postgresql_catalog, postgresql
from shared.identifiers import uuid7
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import TABLE_ID, key

from .following import ID, NAME, risks, table
from .postgresql_house import House

pytestmark = pytest.mark.postgres

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"


@pytest.fixture
def house(postgres_database: Dsn) -> House:
    return House(postgres_database)


class TestConcurrently:
    AFTER = table(ID, NAME, primary="id", unique_keys=[key("u", "name")], indexes=[key("i", "name", "id")])

    async def test_indexes_are_made_beside_those_who_write(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))

        plan = await house.publish(self.AFTER, concurrently=True)

        assert [(one.alone, one.lock) for one in plan.statements] == [
            (True, "none"),
            (False, "brief"),
            (True, "none"),
        ]
        assert risks(plan) == {"safe"}

    async def test_what_is_cut_off_between_two_transactions_is_finished_by_the_next_plan(
        self, house: House
    ) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        house.want(self.AFTER.model_copy(update={"comment": "First."}), "other")
        work = house.work((await house.examined()).sight, concurrently=True)
        last = max(step for step, one in enumerate(work.statements, 1) if one.alone)

        def cut(step: int, _of: int) -> None:
            if step == last:
                raise LookupError

        with pytest.raises(LookupError):
            await house.apply(concurrently=True, told=cut)

        plan = await house.planned(concurrently=True)
        assert plan.kind == "resume"
        assert ["CONCURRENTLY" in one.sql for one in plan.statements] == [True]
        await house.apply(concurrently=True)
        assert (await house.planned()).kind == "none"

    async def test_a_refusal_after_the_first_transaction_says_that_a_part_is_done(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run("CREATE TABLE i (n int)")
        house.want(self.AFTER.model_copy(update={"comment": "First."}))

        with pytest.raises(TargetHalfway):
            await house.apply(concurrently=True)

        await house.run("DROP TABLE i")
        await house.apply(concurrently=True)
        assert (await house.planned()).kind == "none"

    async def test_a_refusal_of_the_first_statement_leaves_no_note_that_it_has_begun(
        self, house: House
    ) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run("CREATE TABLE i (n int)")
        house.want(table(ID, NAME, primary="id", indexes=[key("i", "name")]))

        with pytest.raises(TargetRefused):
            await house.apply(concurrently=True)

        assert (await house.examined()).sight.begun is None

    async def test_an_index_that_was_never_finished_is_made_anew(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run("INSERT INTO t VALUES (1, 'a'), (2, 'a')")
        with pytest.raises(asyncpg.UniqueViolationError):
            await house.run("CREATE UNIQUE INDEX CONCURRENTLY u ON t (name)")
        await house.run("DELETE FROM t WHERE id = 2")

        await house.publish(self.AFTER, concurrently=True)

        assert await house.rows("SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass") == [
            (True,)
        ]

    async def test_notes_of_an_older_version_get_what_they_lack(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run(
            "ALTER TABLE _penstock_tables DROP begun_name, DROP begun_revision, DROP begun_fingerprint"
        )

        await house.publish(self.AFTER, concurrently=True)


class TestLocks:
    async def test_a_short_wait_for_a_lock_is_tried_again(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        reader = await house.dsn.connect()
        transaction = reader.transaction()
        await transaction.start()
        await reader.execute("SELECT FROM t")
        house.want(table(ID, primary="id"))
        applying = asyncio.ensure_future(house.apply())
        try:
            await waits(reader, somebody=True)
            await waits(reader, somebody=False)
            assert not applying.done()
            await transaction.rollback()
            await applying
        finally:
            await reader.close()

    async def test_a_table_that_stays_locked_is_left_as_it_was(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "_PAUSES", (0.01,))
        await house.publish(table(ID, NAME, primary="id"))
        reader = await house.dsn.connect()
        transaction = reader.transaction()
        await transaction.start()
        await reader.execute("SELECT FROM t")
        house.want(table(ID, primary="id"))
        try:
            with pytest.raises(TargetBusy):
                await house.apply()
        finally:
            await reader.close()
        assert await house.rows("SELECT name FROM t") == []

    async def test_a_run_into_the_table_keeps_changes_out(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "_PAUSES", ())
        await house.publish(table(ID, NAME, primary="id"))
        run = await house.dsn.connect()
        await run.execute("SELECT pg_advisory_lock($1)", lock_number(str(TABLE_ID)))
        house.want(table(ID, primary="id"))
        try:
            with pytest.raises(TargetBusy):
                await house.apply()
        finally:
            await run.close()

    async def test_first_publishes_into_one_schema_do_not_disturb_each_other(
        self, house: House, postgres_database: Dsn
    ) -> None:
        houses = [house, *(House(postgres_database) for _ in range(3))]
        for number, one in enumerate(houses):
            one.wanted = replace(one.wanted, table_id=uuid7())
            one.want(table(ID), f"t{number}")

        await asyncio.gather(*(one.apply() for one in houses))

        assert len(await house.target.marked()) == len(houses)


class TestSights:
    async def test_a_table_is_found_under_the_name_in_its_mark(self, house: House) -> None:
        await house.publish(table(ID))
        await house.run("CREATE VIEW other AS SELECT 1")
        house.wanted = replace(house.wanted, names=())
        house.want(table(ID), "other")

        seen = (await house.target.examine(house.wanted.place, lambda _: ())).sight

        assert (seen.name, seen.taken, seen.physical and seen.physical.kind) == ("t", "view", "table")

    async def test_small_tables_are_counted_and_large_ones_estimated(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.publish(table(ID))
        await house.run("INSERT INTO t SELECT generate_series(1, 5000)", "ANALYZE t")
        counted = (await house.examined()).sight.size
        monkeypatch.setattr(_postgresql_catalog, "_COUNTED_BYTES", 0)
        estimated = (await house.examined()).sight.size

        assert counted is not None
        assert (counted.rows, counted.exact) == (5000, True)
        assert estimated is not None
        assert (estimated.rows, estimated.exact) == (5000, False)
        assert counted.bytes == estimated.bytes > 5000 * 28

    async def test_all_marks_are_listed_with_whether_their_table_is_there(self, house: House) -> None:
        await house.publish(table(ID))
        await house.run(
            'CREATE SCHEMA "an ""other"', 'CREATE TABLE "an ""other"._penstock_tables (table_id int)'
        )

        (mark,) = await house.target.marked()
        await house.run("DROP TABLE t")
        (orphan,) = await house.target.marked()

        assert (mark.table_id, mark.location, mark.revision) == (TABLE_ID, Location("public", "t"), 1)
        assert (mark.exists, orphan.exists) == (True, False)

    async def test_a_table_of_notes_that_is_not_ours_is_told_as_such(self, house: House) -> None:
        await house.publish(table(ID))
        await house.run("ALTER TABLE _penstock_tables RENAME fingerprint TO other")

        with pytest.raises(TargetRefused, match="isn't one that Penstock made"):
            await house.target.examine(house.wanted.place, lambda _: ())

    async def test_checks_that_take_too_long_end(self, postgres_database: Dsn) -> None:
        house = House(postgres_database, reading_seconds=0.2)
        slow = Check(("columns",), "slow", "{rows}", Sql("SELECT 1 FROM pg_sleep(30)"))

        with pytest.raises(TargetRefused, match="took too long"):
            await house.target.examine(house.wanted.place, lambda _: [slow])


async def waits(connection: Any, *, somebody: bool) -> None:
    """Until somebody waits for a lock on the table, or nobody does."""
    async with asyncio.timeout(20):
        while bool(await connection.fetchval(WAITS)) is not somebody:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
