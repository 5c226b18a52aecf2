"""How a PostgreSQL table follows its configuration."""

import pytest

from services.etl.columns import ColumnType
from services.etl.tables.definition import Default
from services.etl.tables.errors import ChecksFailed, TargetRefused
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import column, key

from .following import AT, ID, NAME, risks, table
from .postgresql_house import House

pytestmark = pytest.mark.postgres


@pytest.fixture
def house(postgres_database: Dsn) -> House:
    return House(postgres_database)


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

    async def test_a_number_of_any_size_becomes_a_decimal_where_it_fits(self, house: House) -> None:
        await house.run("CREATE TABLE t (n numeric)", "INSERT INTO t VALUES (1.50), (0.001), (1e9), ('NaN')")
        definition = await house.adopt()
        (number,) = definition.columns
        bound = {"native": None, "type": ColumnType.parse("decimal(5,2)")}
        house.want(table(number.model_copy(update=bound)))

        assert [one.rows for one in (await house.examined()).findings] == [3]
        await house.run("DELETE FROM t WHERE n <> 1.5")
        await house.publish(house.wanted.definition)
        assert await house.rows("SELECT n::text FROM t") == [("1.50",)]

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
