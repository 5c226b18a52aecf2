"""SQLite tables that were made by hand and adopted: what no definition knows stays."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from services.etl.tables.definition import TableDefinition
from services.etl.tables.errors import ChecksFailed
from tests.unit.etl_config.making import key

from .sqlite_house import House, typed


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


class TestMadeByOthers:
    STRANGE = (
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, name varchar( 10 ) COLLATE NOCASE DEFAULT -1,"
        " up TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL, n CHECK (n <> 5), o INT REFERENCES o (id),"
        " CONSTRAINT u UNIQUE (name, n) ON CONFLICT IGNORE)"
    )

    async def test_it_is_adopted_as_it_is(self, house: House) -> None:
        house.made_by_others("CREATE TABLE o (id INTEGER PRIMARY KEY)", self.STRANGE)

        definition = await house.adopt()

        assert [(one.name, str(one.type), one.native, one.nullable) for one in definition.columns] == [
            ("id", "int64", "INTEGER", False),
            ("name", "varchar(10)", "varchar(10)", True),
            ("up", "text", None, True),
            ("n", "bytes", None, True),
            ("o", "int32", None, True),
        ]
        assert definition.unique_keys == [key("u", "name", "n")]

    async def test_a_rebuild_keeps_what_no_definition_knows(self, house: House) -> None:
        house.made_by_others("CREATE TABLE o (id INTEGER PRIMARY KEY)", self.STRANGE)
        definition = await house.adopt()
        house.run("INSERT INTO o VALUES (1)", "INSERT INTO t (name, o) VALUES ('a', 1), ('b', 1)")
        house.run("DELETE FROM t WHERE id = 2")

        await house.publish(typed(definition, "o", "int64"))

        house.run("INSERT INTO t (name, n) VALUES ('A', 1), ('a', 1)")
        assert house.run("SELECT id, name, up, o FROM t") == [(1, "a", "A", 1), (3, "A", "A", None)]
        with pytest.raises(sqlite3.IntegrityError):
            house.run("INSERT INTO t (n) VALUES (5)")
        declared = str(house.run("SELECT sql FROM sqlite_master WHERE name = 't'"))
        assert "REFERENCES o (id)" in declared
        assert "COLLATE NOCASE" in declared

    async def test_rows_keep_the_numbers_that_others_refer_to_them_by(self, house: House) -> None:
        house.made_by_others(
            "CREATE TABLE t (a INT, b TEXT, ROWID TEXT)",
            "INSERT INTO t VALUES (1, 'one', ''), (2, 'two', ''), (3, 'three', '')",
            "DELETE FROM t WHERE a = 1",
        )
        definition = await house.adopt()

        await house.publish(typed(definition, "a", "text"))

        assert house.run("SELECT oid, a FROM t") == [(2, "2"), (3, "3")]

    async def test_names_that_differ_beyond_ascii_are_two_names(self, house: House) -> None:
        house.made_by_others(
            'CREATE TABLE t ("é" TEXT, "É" TEXT, "strasse" INT UNIQUE, "straße" INT UNIQUE)',
            "INSERT INTO t VALUES ('1', 'x', 2, 3)",
        )
        definition = await house.adopt()

        await house.publish(typed(typed(definition, "é", "int32"), "strasse", "int64"))
        columns = [one for one in definition.columns if one.name in {"É", "straße"}]
        unique = [one for one in definition.unique_keys if one.columns == ["straße"]]
        await house.publish(definition.model_copy(update={"columns": columns, "unique_keys": unique}))

        assert house.run("SELECT * FROM t") == [("x", 3)]

    async def test_a_unique_constraint_becomes_an_index_of_another_name(self, house: House) -> None:
        house.made_by_others("CREATE TABLE t (a TEXT UNIQUE, b TEXT)", "INSERT INTO t VALUES ('x', 'y')")
        definition = await house.adopt()

        await house.publish(definition.model_copy(update={"unique_keys": [key("mine", "a")]}))

        with pytest.raises(sqlite3.IntegrityError):
            house.run("INSERT INTO t VALUES ('x', 'y')")
        assert house.run("SELECT name FROM pragma_index_list('t')") == [("mine",)]

    async def test_a_table_that_refers_to_itself_goes_on_to(self, house: House) -> None:
        house.made_by_others(
            "CREATE TABLE t (id INT PRIMARY KEY, up INT REFERENCES t (id))", "INSERT INTO t VALUES (1, 1)"
        )
        definition = await house.adopt()

        await house.publish(typed(definition, "up", "int64"), "other")

        assert house.run("SELECT \"table\" FROM pragma_foreign_key_list('other')") == [("other",)]
        assert house.run("PRAGMA foreign_key_check") == []

    @pytest.mark.parametrize("options", ["STRICT", "WITHOUT ROWID", "STRICT, WITHOUT ROWID"])
    async def test_options_stay(self, house: House, options: str) -> None:
        if "STRICT" in options and sqlite3.sqlite_version_info < (3, 37, 0):
            pytest.skip("this SQLite has no STRICT tables")
        house.made_by_others(f"CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT) {options}")
        definition = await house.adopt()
        columns = [definition.columns[0], definition.columns[1].model_copy(update={"nullable": False})]

        await house.publish(definition.model_copy(update={"columns": columns}))

        declared = str(house.run("SELECT sql FROM sqlite_master WHERE name = 't'")[0][0])
        assert declared.endswith(f") {options}")

    @pytest.mark.parametrize(
        ("made", "change", "loc"),
        [
            (
                "CREATE TABLE t (a TEXT, b TEXT) STRICT",
                lambda d: typed(d, "b", "varchar(3)"),
                ("columns", 1, "type"),
            ),
            (
                "CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT) WITHOUT ROWID",
                lambda d: d.model_copy(update={"primary_key": []}),
                ("primary_key",),
            ),
            (
                "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT)",
                lambda d: typed(d, "a", "int64"),
                ("columns", 0, "type"),
            ),
            (
                "CREATE TABLE t (a TEXT, b TEXT, CHECK (b > a))",
                lambda d: d.model_copy(update={"columns": d.columns[:1]}),
                ("columns",),
            ),
            (
                "CREATE TABLE t (a TEXT, b TEXT, c TEXT AS (b))",
                lambda d: d.model_copy(update={"columns": [d.columns[0], d.columns[2]]}),
                ("columns",),
            ),
        ],
    )
    async def test_what_it_cannot_follow_is_a_fault_with_its_place(
        self,
        house: House,
        made: str,
        change: Callable[[TableDefinition], TableDefinition],
        loc: tuple[str | int, ...],
    ) -> None:
        if "STRICT" in made and sqlite3.sqlite_version_info < (3, 37, 0):
            pytest.skip("this SQLite has no STRICT tables")
        house.made_by_others(made)
        definition = await house.adopt()

        with pytest.raises(ChecksFailed) as refused:
            await house.publish(change(definition))

        assert [fault.loc for fault in refused.value.faults] == [loc]
