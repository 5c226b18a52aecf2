"""How an SQLite table follows its configuration, with what others have hung on it."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from services.etl.tables.dialects import _sqlite_change
from services.etl.tables.errors import ChecksFailed
from tests.unit.etl_config.making import column, key

from .following import AT, ID, NAME, risks, table
from .sqlite_house import DIALECT, House, typed


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class TestInPlace:
    async def test_columns_come_go_and_get_names_without_a_rebuild(self, house: House) -> None:
        await house.publish(table(ID, NAME, AT, primary="id", indexes=[key("i", "at")]))
        house.run("INSERT INTO t (id, name) VALUES (1, 'a')")
        root = house.run("SELECT rootpage FROM sqlite_master WHERE name = 't'")
        swapped = [column("name", "timestamp", identity="at"), column("at", identity="name")]

        plan = await house.publish(table(ID, *swapped, column("n", "int64", literal="7"), primary="id"))

        assert house.run("SELECT id, at, name, n FROM t") == [(1, "a", None, 7)]
        assert house.run("SELECT rootpage FROM sqlite_master WHERE name = 't'") == root
        assert risks(plan) == {"safe"}

    async def test_a_column_goes_with_its_values_and_that_is_said(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        house.run("INSERT INTO t VALUES (1, 'a')")

        plan = await house.publish(table(ID, primary="id"))

        assert house.run("SELECT * FROM t") == [(1,)]
        assert risks(plan) == {"destroys"}

    async def test_an_sqlite_that_cannot_drop_columns_makes_the_table_anew(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_sqlite_change, "_DROPS_COLUMNS", False)
        await house.publish(table(ID, NAME, primary="id"))
        house.run("INSERT INTO t VALUES (1, 'a')")

        plan = await house.publish(table(ID, primary="id"))

        assert house.run("SELECT * FROM t") == [(1,)]
        assert not any("DROP COLUMN" in statement.sql for statement in plan.statements)

    @pytest.mark.parametrize("name", ["T", "other", 'a "b" [c]', "seit März", "order"])
    async def test_a_table_gets_another_name_and_views_and_triggers_follow(
        self, house: House, name: str
    ) -> None:
        await house.publish(table(ID, NAME, primary="id", unique_keys=[key("u", "name")]))
        house.run("CREATE TABLE log (x)", "CREATE VIEW v AS SELECT name FROM t")
        house.run("CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log SELECT name FROM t; END")

        plan = await house.publish(house.wanted.definition, name)

        assert (await house.examined()).sight.name == name
        house.run(f"INSERT INTO {DIALECT.quote(name)} VALUES (1, 'a')")
        assert house.run("SELECT * FROM v, log") == [("a", "a")]
        assert risks(plan) == {"safe"}

    async def test_a_table_can_take_the_name_of_a_key_that_goes(self, house: House) -> None:
        await house.publish(table(ID, NAME, indexes=[key("n", "name")]))

        await house.publish(table(ID, NAME, indexes=[key("t", "name")]), "n")

        assert house.run("SELECT type, name FROM sqlite_master WHERE tbl_name = 'n' ORDER BY 1") == [
            ("index", "t"),
            ("table", "n"),
        ]

    async def test_an_index_of_others_keeps_its_name_from_the_table(self, house: House) -> None:
        await house.publish(table(ID, NAME))
        house.run("CREATE INDEX n ON t (name)")

        with pytest.raises(ChecksFailed) as refused:
            await house.publish(table(ID, NAME), "N")

        assert [fault.loc for fault in refused.value.faults] == [("physical_name",)]

    async def test_comments_change_with_the_mark_alone(self, house: House) -> None:
        await house.publish(table(ID, comment="One."))

        plan = await house.publish(table(ID.model_copy(update={"comment": "It's"}), comment="Two."))

        physical = (await house.examined()).sight.physical
        assert physical is not None
        assert (physical.comment, physical.columns[0].comment) == ("Two.", "It's")
        assert plan.statements == ()


class TestRebuild:
    async def test_types_change_with_their_values(self, house: House) -> None:
        await house.publish(table(ID, NAME, column("n", "decimal(9,2)", nullable=False), AT, primary="id"))
        house.run("INSERT INTO t VALUES (1, '007', '7.50', '2026-01-31 00:00:00.000000')")
        after = table(ID, column("name", "int16"), column("n", "text", literal="x"), column("at", "date"))

        plan = await house.publish(after)

        assert house.run("SELECT * FROM t") == [(1, 7, "7.50", "2026-01-31")]
        assert risks(plan) == {"safe", "rewrites"}

    async def test_values_that_do_not_cast_are_counted_and_shown_and_nothing_is_done(
        self, house: House
    ) -> None:
        await house.publish(table(ID, NAME))
        house.run("INSERT INTO t VALUES (1, '7.5'), (2, '8'), (3, NULL), (4, x'ff'), (5, '9x')")
        before = house.file.read_bytes()
        house.wanted = replace(house.wanted, definition=table(ID, column("name", "int64", nullable=False)))

        findings = (await house.examined()).findings
        with pytest.raises(ChecksFailed) as refused:
            await house.publish(house.wanted.definition)

        assert [(one.check.code, one.rows, sorted(one.samples)) for one in findings] == [
            ("value_unfit", 3, ["7.5", "9x", "FF"]),
            ("value_missing", 1, []),
        ]
        assert [(fault.loc, fault.message) for fault in refused.value.faults] == [
            (("columns", 1, "type"), "3 rows have a value that int64 can't hold exactly"),
            (("columns", 1, "nullable"), "1 row has no value in this column, which is to have one in each"),
        ]
        assert house.file.read_bytes() == before

    async def test_texts_that_are_the_same_number_are_duplicates_of_a_key(self, house: House) -> None:
        await house.publish(table(ID, NAME, unique_keys=[key("u", "name")]))
        house.run("INSERT INTO t VALUES (1, '7'), (2, '07'), (3, '+7'), (4, '8')")
        house.wanted = replace(house.wanted, definition=typed(house.wanted.definition, "name", "int64"))

        findings = (await house.examined()).findings

        assert [(one.check.loc, one.rows) for one in findings if one.rows] == [(("unique_keys", 0), 2)]

    async def test_a_primary_key_comes_and_goes(self, house: House) -> None:
        await house.publish(table(ID, NAME))
        house.run("INSERT INTO t VALUES (1, 'a'), (2, 'b')")

        await house.publish(table(ID, NAME, primary="id"))
        with pytest.raises(sqlite3.IntegrityError):
            house.run("INSERT INTO t VALUES (1, 'a')")
        await house.publish(table(ID, NAME))

        house.run("INSERT INTO t VALUES (1, 'a')")
        assert house.run("SELECT count(*) FROM t") == [(3,)]

    async def test_what_hangs_on_the_table_comes_back(self, house: House) -> None:
        await house.publish(table(ID, NAME, primary="id"))
        house.run(
            "CREATE TABLE log (x)",
            "CREATE TABLE child (id REFERENCES t (id) ON DELETE CASCADE)",
            "CREATE VIEW v AS SELECT name FROM t WHERE id > 0",
            "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.name); END",
            "CREATE UNIQUE INDEX part ON t (name) WHERE id > 10",
            "CREATE INDEX lowered ON t (lower(name))",
            "INSERT INTO t VALUES (1, 'a')",
            "INSERT INTO child VALUES (1)",
        )
        renamed = column("title", nullable=False, literal="x", identity="name")

        await house.publish(table(ID, renamed, primary="id"), "other")

        house.run("INSERT INTO other VALUES (2, 'b')")
        assert house.run("SELECT * FROM v") == [("a",), ("b",)]
        assert house.run("SELECT * FROM log") == [("a",), ("b",)]
        assert house.run("SELECT * FROM child") == [(1,)]
        names = house.run("SELECT name FROM sqlite_master WHERE tbl_name = 'other' AND sql > '' ORDER BY 1")
        assert names == [("lowered",), ("other",), ("part",), ("tr",)]
        house.run("PRAGMA foreign_keys = ON", "DELETE FROM other WHERE id = 1")
        assert house.run('SELECT "table" FROM pragma_foreign_key_list(?)'.replace("?", "'child'")) == [
            ("other",)
        ]

    async def test_a_function_fills_the_rows_that_are_there(self, house: House) -> None:
        await house.publish(table(ID))
        house.run("INSERT INTO t VALUES (1)")

        await house.publish(table(ID, column("seen", "date", nullable=False, function="now")))

        assert house.run("SELECT seen = date('now') OR seen = date('now', '-1 day') FROM t") == [(1,)]

    async def test_a_column_that_cannot_be_cast_is_made_anew(self, house: House) -> None:
        await house.publish(table(ID, column("c", "bytes")))
        house.run("INSERT INTO t VALUES (1, x'00')")

        plan = await house.publish(table(ID, column("c", "uuid")))

        assert house.run("SELECT * FROM t") == [(1, None)]
        assert "destroys" in risks(plan)

    async def test_rows_stay_when_every_column_is_another_one(self, house: House) -> None:
        await house.publish(table(ID))
        house.run("INSERT INTO t VALUES (1), (2)")

        await house.publish(table(column("other", "int32", nullable=False, literal="7")))

        assert house.run("SELECT * FROM t") == [(7,), (7,)]
