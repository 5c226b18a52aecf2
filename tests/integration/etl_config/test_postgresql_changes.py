"""How a PostgreSQL table follows its configuration."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from services.etl.columns import ColumnType
from services.etl.destinations._postgresql_sql import lock_number
from services.etl.tables.definition import Default, Location, TableDefinition
from services.etl.tables.dialects import Check, Sql
from services.etl.tables.errors import ChecksFailed, TargetBusy, TargetHalfway, TargetRefused
from services.etl.tables.plan import Plan
from services.etl.tables.targets import _postgresql_catalog, postgresql
from shared.identifiers import uuid7
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import TABLE_ID, column, key

from .postgresql_house import House

pytestmark = pytest.mark.postgres

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass"
ID, NAME, AT = column("id", "int32", nullable=False), column("name"), column("at", "timestamp")


@pytest.fixture
def house(postgres_database: Dsn) -> House:
    return House(postgres_database)


def table(*columns: Any, primary: str = "", **keys: Any) -> TableDefinition:
    return TableDefinition.model_validate(
        {"columns": list(columns), "primary_key": [primary] if primary else [], **keys}
    )


def risks(plan: Plan) -> set[str]:
    return {statement.risk for statement in plan.statements}


class TestChanges:
    async def test_everything_at_once_keeps_the_rows_and_what_nobody_asked_to_change(
        self, house: House
    ) -> None:
        await house.publish(table(ID, NAME, AT, primary="id", unique_keys=[key("u", "name")]))
        await house.run("INSERT INTO t VALUES (1, '41', '2024-01-01'), (2, '+42', NULL)")

        plan = await house.publish(
            table(
                column("key", "int64", nullable=False, identity="id", comment="It's the key."),
                column("at", "int16", nullable=False, identity="name"),
                column("name", "timestamptz", identity="at"),
                column("more", "boolean", nullable=False, literal="true"),
                primary="key",
                unique_keys=[key("v", "at")],
                indexes=[key("i", "name", "more")],
                comment="Changed.",
            ),
            "other",
        )

        assert await house.rows("SELECT key, at, name::text, more FROM other ORDER BY key") == [
            (1, 41, "2024-01-01 00:00:00+00", True),
            (2, 42, None, True),
        ]
        assert risks(plan) == {"safe", "locks", "rewrites"}

    async def test_names_swap_and_values_go_with_their_columns(self, house: House) -> None:
        await house.publish(table(ID, NAME, AT, primary="id", indexes=[key("a", "name"), key("b", "at")]))
        await house.run("INSERT INTO t VALUES (1, 'x', '2024-01-01')")
        file = await house.file()

        plan = await house.publish(
            table(
                ID,
                column("at", identity="name"),
                column("name", "timestamp", identity="at"),
                primary="id",
                indexes=[key("b", "at"), key("a", "name")],
            )
        )

        assert await house.rows("SELECT at, name::text FROM t") == [("x", "2024-01-01 00:00:00")]
        assert risks(plan) == {"safe"}
        assert await house.file() == file

    async def test_a_type_without_a_cast_makes_the_column_anew_and_that_is_said(self, house: House) -> None:
        await house.publish(table(ID, column("name", "json", comment="Old."), primary="id"))
        await house.run("INSERT INTO t VALUES (1, '{}')")

        plan = await house.publish(
            table(ID, column("name", "bytes", nullable=False, literal="00", comment="Old."), primary="id")
        )

        assert await house.rows("SELECT name FROM t") == [(b"\x00",)]
        assert risks(plan) == {"safe", "destroys"}

    async def test_rows_that_stand_against_it_are_counted_and_shown_and_nothing_happens(
        self, house: House
    ) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run("INSERT INTO t VALUES (1, 'one'), (2, '2'), (3, '02'), (4, NULL)")
        house.want(
            table(
                ID,
                column("name", "int16", nullable=False),
                column("new", nullable=False),
                primary="id",
                unique_keys=[key("u", "name")],
            )
        )

        findings = (await house.examined()).findings
        with pytest.raises(ChecksFailed) as failed:
            await house.apply()

        assert [(one.check.loc, one.check.code, one.rows, one.samples) for one in findings] == [
            (("columns", 1, "nullable"), "value_missing", 1, ()),
            (("columns", 2, "default"), "value_missing", 4, ()),
            (("columns", 1, "type"), "value_unfit", 1, ("one",)),
            (("unique_keys", 0), "key_duplicate", 1, ("2",)),
        ]
        assert [fault.loc for fault in failed.value.faults] == [one.check.loc for one in findings]
        assert await house.rows("SELECT name FROM t ORDER BY id") == [("one",), ("2",), ("02",), (None,)]

    async def test_a_cast_that_makes_keys_equal_is_found_where_the_key_stays(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id", unique_keys=[key("u", "name")]))
        await house.run("INSERT INTO t VALUES (1, '1'), (2, '01')")
        house.want(table(ID, column("name", "int32"), primary="id", unique_keys=[key("u", "name")]))

        with pytest.raises(ChecksFailed) as failed:
            await house.apply()

        assert [fault.code for fault in failed.value.faults] == ["key_duplicate"]

    async def test_types_of_the_server_and_what_fills_columns_are_kept_when_a_table_is_adopted(
        self, house: House
    ) -> None:
        await house.run(
            "CREATE TYPE mood AS ENUM ('sad', 'ok')",
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, m mood DEFAULT 'ok',"
            " x inet[], d date DEFAULT CURRENT_DATE, twice int GENERATED ALWAYS AS (3 * 2) STORED,"
            " at timestamp(3) DEFAULT '2024-01-01')",
            "INSERT INTO t (x) VALUES ('{10.0.0.1}')",
        )
        definition = await house.adopt()

        fill = {one.name: one.default for one in definition.columns}
        assert fill["id"] == Default(kept="identity")
        assert fill["twice"] == Default(kept="generated")
        assert fill["d"] == Default(kept="CURRENT_DATE")
        assert fill["m"] == Default(literal="ok")
        assert {one.name: one.native for one in definition.columns if one.native} == {
            "m": "mood",
            "x": "inet[]",
            "at": "timestamp(3) without time zone",
        }
        renamed = [one.model_copy(update={"name": f"{one.name} 2"}) for one in definition.columns]
        await house.publish(definition.model_copy(update={"columns": renamed, "primary_key": ["id 2"]}))
        plain = [
            one.model_copy(update={"native": None, "type": ColumnType.parse("text"), "default": None})
            if one.name == "m 2"
            else one.model_copy(update={"native": None})
            if one.name == "at 2"
            else one.model_copy(update={"default": None})
            for one in renamed
        ]
        await house.publish(definition.model_copy(update={"columns": plain, "primary_key": ["id 2"]}))
        assert await house.rows('SELECT "id 2", "n 2", "m 2", "twice 2" FROM t') == [(1, 1, "ok", 6)]

    async def test_what_was_found_can_be_given_to_no_other_column(self, house: House) -> None:
        await house.publish(table(ID, primary="id"))
        house.want(table(ID.model_copy(update={"default": Default(kept="random()")}), primary="id"))

        assert [fault.loc for fault in (await house.planned()).faults] == [("columns", 0, "default")]
        with pytest.raises(ChecksFailed):
            await house.apply()

    async def test_a_table_may_get_the_name_of_an_index_of_its_own_that_goes(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id", indexes=[key("a", "name"), key("b", "id")]))

        await house.publish(table(ID, NAME, primary="id", indexes=[key("t", "name")]), "a")
        await house.publish(table(ID, NAME, primary="id"), "t")
        house.want(table(ID, NAME, primary="id"), "t_pkey")

        assert [fault.loc for fault in (await house.planned()).faults] == [("physical_name",)]

    async def test_what_depends_on_the_table_is_named(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        await house.run(
            'CREATE VIEW "my view" AS SELECT name FROM t', "CREATE TABLE r (id int REFERENCES t (id))"
        )
        house.want(table(ID, primary="id"))
        with pytest.raises(TargetRefused, match=r"view public\.my view"):
            await house.apply()
        house.want(table(ID, column("name", "int32"), primary="id"))
        with pytest.raises(TargetRefused, match=r"table public\.r"):
            await house.apply()


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

        def cut(step: int, of: int) -> None:
            if step == of - 3:
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

    async def test_checks_that_take_too_long_end(self, postgres_database: Dsn) -> None:
        house = House(postgres_database, reading_seconds=0.2)
        slow = Check(("columns",), "slow", "{rows}", Sql("SELECT 1 FROM pg_sleep(30)"))

        with pytest.raises(TargetBusy):
            await house.target.examine(house.wanted.place, lambda _: [slow])


async def waits(connection: Any, *, somebody: bool) -> None:
    """Until somebody waits for a lock on the table, or nobody does."""
    async with asyncio.timeout(20):
        while bool(await connection.fetchval(WAITS)) is not somebody:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
