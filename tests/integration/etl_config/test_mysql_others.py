"""What others have made around a table of MariaDB is kept, or the change is refused."""

import pytest

from services.etl.columns import ColumnType
from services.etl.tables.definition import TableDefinition
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column

from .mysql_house import House

pytestmark = pytest.mark.mariadb


@pytest.fixture
def house(mariadb_database: MariaDsn) -> House:
    return House(mariadb_database)


def edited(definition: TableDefinition, called: str, **more: object) -> TableDefinition:
    columns = [one.model_copy(update=more) if one.name == called else one for one in definition.columns]
    return definition.model_copy(update={"columns": columns})


def typed(definition: TableDefinition, name: str, kind: str) -> TableDefinition:
    """The same with another type of a column."""
    return edited(definition, name, type=ColumnType.parse(kind), native=None)


def without(definition: TableDefinition, name: str) -> TableDefinition:
    columns = [one for one in definition.columns if one.name != name]
    return definition.model_copy(update={"columns": columns})


async def declared(house: House) -> str:
    ((_, made),) = await house.rows("SHOW CREATE TABLE t")
    return str(made)


async def faults(house: House, definition: TableDefinition) -> set[tuple[tuple[object, ...], str]]:
    house.want(definition)
    return {(fault.loc, fault.code) for fault in (await house.planned()).faults}


async def test_a_check_of_a_column_stays_with_a_comment_a_name_and_a_longer_type(house: House) -> None:
    await house.run(
        "CREATE TABLE t (a int CHECK (a > 0), b int CHECK (b > a), c varchar(9) CHECK (c <> '`a`'))"
    )
    definition = await house.adopt()

    renamed = edited(edited(definition, "b", comment="Said."), "a", name="z")
    assert {one.risk for one in (await house.publish(renamed)).statements} == {"safe"}
    await house.publish(typed(edited(renamed, "z", comment="Said.", name="y"), "c", "varchar(99)"))

    made = await declared(house)
    for check in ("CHECK (`y` > 0)", "CHECK (`b` > `y`)", "CHECK (`c` <> '`a`')"):
        assert check in made


async def test_a_check_that_others_have_renamed_is_known_by_its_column(house: House) -> None:
    await house.run("CREATE TABLE t (a int CHECK (a > 0), j json)")
    await house.run("ALTER TABLE t RENAME COLUMN a TO z, RENAME COLUMN j TO k")
    definition = await house.adopt()
    assert [str(one.type) for one in definition.columns] == ["int32", "json"]

    await house.publish(edited(definition, "z", comment="Said."))

    assert "CHECK (`z` > 0)" in await declared(house)


async def test_values_are_not_made_anew_under_a_trigger_a_check_or_what_is_generated(house: House) -> None:
    await house.run(
        "CREATE TABLE t (a boolean CHECK (a < 2), b boolean, n int, g int AS (b + 1) VIRTUAL, CHECK (b < n))",
        "CREATE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW SET NEW.n = 1",
    )
    definition = await house.adopt()
    before = await declared(house)

    assert await faults(house, typed(definition, "a", "text")) == {
        (("columns", 0, "type"), "column_in_use"),
        (("columns", 0, "type"), "trigger_fires"),
    }
    assert await faults(house, typed(definition, "b", "text")) == {
        (("columns",), "column_in_use"),
        (("columns", 1, "type"), "trigger_fires"),
    }
    assert await declared(house) == before


async def test_a_column_that_a_trigger_uses_neither_goes_nor_gets_another_name(house: House) -> None:
    await house.run(
        "CREATE TABLE t (a int, n int)", "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.n = 1"
    )
    definition = await house.adopt()

    assert await faults(house, without(definition, "n")) == {(("columns",), "column_in_use")}
    assert await faults(house, edited(definition, "n", name="m")) == {
        (("columns", 1, "name"), "column_in_use")
    }
    await house.publish(without(definition, "a"))


@pytest.mark.parametrize("index", ["KEY i (d(3))", "KEY i (id, d(3))", "FULLTEXT KEY i (d)"])
async def test_an_index_that_we_can_not_make_is_not_lost_with_other_values(house: House, index: str) -> None:
    await house.run(f"CREATE TABLE t (id int, d longtext COLLATE utf8mb4_nopad_bin, {index})")
    definition = await house.adopt()

    assert await faults(house, typed(definition, "d", "uuid")) == {(("columns",), "column_in_use")}


async def test_what_the_database_numbers_stays_an_integer(house: House) -> None:
    await house.run("CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY)")
    definition = await house.adopt()

    assert await faults(house, typed(definition, "id", "varchar(9)")) == {
        (("columns", 0, "type"), "default_kept")
    }


async def test_what_the_database_fills_is_known_whatever_else_the_column_is(house: House) -> None:
    await house.run(
        "CREATE TABLE t (id int INVISIBLE AUTO_INCREMENT PRIMARY KEY, d varchar(9),"
        " g varchar(9) AS (upper(d)) VIRTUAL) COLLATE utf8mb4_general_ci"
    )
    definition = await house.adopt()
    assert [one.default.kept if one.default else None for one in definition.columns] == [
        "identity",
        None,
        "generated",
    ]

    await house.publish(edited(definition, "id", comment="Said."))

    line = next(line for line in (await declared(house)).splitlines() if "`id` int" in line)
    assert all(word in line for word in ("AUTO_INCREMENT", "INVISIBLE", "'Said.'"))
    assert await faults(house, edited(definition, "g", comment="Said.")) == {
        (("columns", 2), "column_generated")
    }


async def test_a_time_of_update_that_is_invisible_stays_so(house: House) -> None:
    now = "current_timestamp(6)"
    await house.run(
        f"CREATE TABLE t (a int, u timestamp(6) INVISIBLE NOT NULL DEFAULT {now} ON UPDATE {now})"
    )
    definition = await house.adopt()

    await house.publish(edited(definition, "u", comment="Said."))

    assert f"INVISIBLE DEFAULT {now} ON UPDATE {now} COMMENT 'Said.'" in await declared(house)


@pytest.mark.parametrize("made", ["(a int) ROW_FORMAT=COMPRESSED", "(a int, w text, FULLTEXT KEY (w))"])
async def test_a_column_that_can_not_come_at_once_is_said_to_rewrite(house: House, made: str) -> None:
    await house.run(f"CREATE TABLE t {made}")
    definition = await house.adopt()
    more = definition.model_copy(update={"columns": [*definition.columns, column("x", "boolean")]})

    assert [one.risk for one in (await house.publish(more)).statements] == ["rewrites"]
    values = (await house.publish(typed(more, "x", "text"))).statements

    assert [one.risk for one in values] == ["rewrites", "rewrites", "rewrites"]
    assert not any("INSTANT" in one.sql for one in values)
