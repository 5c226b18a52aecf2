"""What stands against a change of an SQLite table, and what our marks say."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from services.etl.tables.definition import Location
from services.etl.tables.dialects import Sql, Statement, Work
from services.etl.tables.errors import ChecksFailed, TargetBusy, TargetRefused
from services.etl.tables.targets.sqlite import SqliteTarget
from shared.contracts.connection import SqliteConnection
from tests.unit.etl_config.making import TABLE_ID, column

from .conftest import handed_out
from .following import ID, NAME, table
from .sqlite_house import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class TestRefusals:
    @pytest.mark.parametrize(
        ("beside", "name"),
        [
            ("CREATE VIEW v AS SELECT name FROM t", "v"),
            ("CREATE TRIGGER tr AFTER DELETE ON t BEGIN SELECT old.name; END", "tr"),
            ("CREATE TRIGGER tr AFTER INSERT ON log BEGIN INSERT INTO t (name) VALUES (1); END", "tr"),
        ],
    )
    @pytest.mark.parametrize("rebuilt", [False, True])
    async def test_what_would_not_work_any_more_is_named(
        self, house: House, beside: str, name: str, rebuilt: bool
    ) -> None:
        await house.publish(table(ID, NAME))
        house.run("CREATE TABLE log (x)", beside)
        before = house.file.read_bytes()

        with pytest.raises(TargetRefused, match=f"'?{name}'?") as refused:
            await house.publish(table(column("id", "int64" if rebuilt else "int32", nullable=False)))

        assert "no such column" not in str(refused.value)
        assert house.file.read_bytes() == before

    async def test_an_index_that_uses_a_column_keeps_it(self, house: House) -> None:
        await house.publish(table(ID, NAME))
        house.run('CREATE INDEX part ON t (id) WHERE "name" > 1')

        with pytest.raises(ChecksFailed, match="Rows"):
            await house.publish(table(ID))

    async def test_rows_of_others_that_refer_to_a_key_keep_it(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        house.run("CREATE TABLE child (id REFERENCES t (id))", "INSERT INTO t VALUES (1, 'a')")

        with pytest.raises(TargetRefused, match="child"):
            await house.publish(table(ID, NAME))

    async def test_a_file_that_is_written_is_busy(self, house: House) -> None:
        await house.publish(table(ID))
        with closing(sqlite3.connect(house.file, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(TargetBusy):
                await house.publish(table(ID, NAME))

        await house.publish(table(ID, NAME))

    async def test_a_change_that_is_cancelled_is_undone(self, house: House) -> None:
        await house.publish(table(ID))
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        work = Work((Statement(Sql("DROP TABLE t"), "safe", ""), Statement(Sql(endless), "safe", "")))

        def told(step: int, of: int) -> None:
            if step == of:
                loop.call_soon_threadsafe(begun.set)

        task = asyncio.create_task(house.target.carry_out(house.wanted.place, lambda _: work, told=told))
        await asyncio.wait_for(begun.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert house.run("SELECT * FROM t") == []

    async def test_a_change_ends_after_its_time(self, tmp_path: Path, house: House) -> None:
        await house.publish(table(ID))
        hurried = SqliteTarget(handed_out(SqliteConnection(file="w.db")), tmp_path, change_seconds=-1.0)
        house.run(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO t SELECT i FROM n"
        )

        slow = Statement(
            Sql("UPDATE t SET id = (SELECT count(*) FROM t AS o WHERE o.id <> t.id)"), "safe", ""
        )
        with pytest.raises(TargetRefused, match="it took more than"):
            await hurried.carry_out(house.wanted.place, lambda _: Work((slow,)), told=lambda *_: None)


class TestMarks:
    async def test_all_marks_are_listed_with_what_became_of_their_tables(self, house: House) -> None:
        assert await house.target.marked() == []
        await house.publish(table(ID))
        house.run("DROP TABLE t")

        (one,) = await house.target.marked()

        assert (one.table_id, one.location, one.revision, one.exists) == (
            TABLE_ID,
            Location(None, "t"),
            1,
            False,
        )

    async def test_rows_that_are_no_marks_are_passed_over(self, house: House) -> None:
        await house.publish(table(ID))
        rows = "'no id', 1", "x'00', 1", f"'{ID.id}', 'x'"
        for row in rows:
            house.run(
                "INSERT INTO _penstock_tables (table_id, revision, table_name, fingerprint, comments)"
                f" VALUES ({row}, 't', '', '')"
            )

        assert [one.table_id for one in await house.target.marked()] == [TABLE_ID]

    async def test_the_table_is_found_under_the_name_of_its_mark_first(self, house: House) -> None:
        await house.publish(table(ID))
        await house.publish(table(ID), "second")
        house.run("CREATE TABLE t (x)")
        place = replace(house.wanted.place, names=("t", "third", "second"))

        sight = (await house.target.examine(place, lambda _: ())).sight

        assert (sight.name, sight.taken) == ("second", None)

    async def test_something_else_that_has_taken_the_wanted_name_is_seen(self, house: House) -> None:
        await house.publish(table(ID))
        house.run("CREATE VIEW Second AS SELECT 1")
        house.wanted = replace(house.wanted, location=Location(None, "second"))

        sight = (await house.target.examine(house.wanted.place, lambda _: ())).sight

        assert (sight.name, sight.taken) == ("t", "view")

    async def test_the_size_is_that_of_the_table(self, house: House) -> None:
        await house.publish(table(ID))
        house.run("INSERT INTO t VALUES (1), (2)")

        size = (await house.examined()).sight.size

        assert size is not None
        assert (size.rows, size.exact) == (2, True)
        assert size.bytes >= 512
