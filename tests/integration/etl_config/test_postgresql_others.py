"""What others have made around a table of PostgreSQL is kept, or the change is refused."""

from dataclasses import replace

import pytest

from services.etl.columns import ColumnType
from services.etl.tables.definition import TableDefinition
from services.etl.tables.errors import TargetRefused
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import key

from .following import risks
from .postgresql_house import House

pytestmark = pytest.mark.postgres


@pytest.fixture
def house(postgres_database: Dsn) -> House:
    return House(postgres_database)


def without(definition: TableDefinition, name: str) -> TableDefinition:
    columns = [one for one in definition.columns if one.name != name]
    return definition.model_copy(update={"columns": columns})


def typed(definition: TableDefinition, name: str, kind: str) -> TableDefinition:
    """The same with another type of a column."""
    changed = {"type": ColumnType.parse(kind), "native": None}
    columns = [one.model_copy(update=changed) if one.name == name else one for one in definition.columns]
    return definition.model_copy(update={"columns": columns})


async def test_rows_that_a_policy_hides_are_not_passed_over(house: House) -> None:
    owner = f"{house.dsn.database}_owner"
    await house.run(
        f"CREATE ROLE {owner} LOGIN PASSWORD 'secret'",
        f"GRANT ALL ON SCHEMA public TO {owner}",
        "CREATE TABLE t (n numeric(5,2))",
        "INSERT INTO t VALUES (1.25)",
        f"ALTER TABLE t OWNER TO {owner}",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY",
    )
    owned = House(replace(house.dsn, user=owner, password="secret"))
    definition = await owned.adopt()
    owned.want(typed(definition, "n", "decimal(5,1)"))

    try:
        with pytest.raises(TargetRefused):
            await owned.apply()
        assert str(await house.rows("SELECT n FROM t")) == "[(Decimal('1.25'),)]"
    finally:
        await house.run(f"DROP OWNED BY {owner}", f"DROP ROLE {owner}")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a < b)", "the check c"),
        ("ALTER TABLE t ADD CONSTRAINT c EXCLUDE (a WITH =, b WITH =)", "the constraint c"),
        ("ALTER TABLE t ADD CONSTRAINT c UNIQUE (a) INCLUDE (b)", "the constraint c"),
        ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a, b) REFERENCES o", "the foreign key c"),
        ("CREATE INDEX i ON t (a) WHERE b > 1", "the index i"),
        ("CREATE INDEX i ON t ((a + b))", "the index i"),
        ("CREATE INDEX i ON t (a) INCLUDE (b)", "the index i"),
        ("CREATE STATISTICS s ON a, b FROM t", "the statistics object s"),
    ],
)
async def test_a_column_does_not_take_along_what_others_have_made(
    house: House, made: str, named: str
) -> None:
    await house.run(
        "CREATE TABLE o (a int, b int, PRIMARY KEY (a, b))", "CREATE TABLE t (a int, b int)", made
    )
    definition = await house.adopt()
    assert (definition.unique_keys, definition.indexes) == ([], [])
    house.want(without(definition, "b"))

    (fault,) = (await house.planned()).faults

    assert fault.code == "column_in_use"
    assert named in fault.message


async def test_what_is_over_a_column_alone_goes_with_it_but_not_for_another_type(house: House) -> None:
    await house.run("CREATE TABLE t (a int, b json CHECK (b::text <> 'null'))")
    definition = await house.adopt()
    house.want(typed(definition, "b", "int32"))
    assert [fault.code for fault in (await house.planned()).faults] == ["column_in_use"]

    assert risks(await house.publish(without(definition, "b"))) == {"destroys"}


async def test_an_index_that_no_revision_knows_is_not_lost_with_a_column(house: House) -> None:
    await house.run("CREATE TABLE t (a int, b int)")
    definition = await house.adopt()
    await house.run("CREATE INDEX i ON t (a, b)")
    house.want(without(definition, "b"))

    assert [fault.code for fault in (await house.planned()).faults] == ["column_in_use"]


async def test_a_key_can_not_have_the_name_of_an_index_that_stays(house: House) -> None:
    await house.run("CREATE TABLE t (a int PRIMARY KEY, b int)", "CREATE INDEX part ON t (b) WHERE b > 1")
    definition = await house.adopt()
    more = {"unique_keys": [key("t_pkey", "b")], "indexes": [key("part", "b")]}
    house.want(definition.model_copy(update=more))

    assert [(f.loc, f.code) for f in (await house.planned()).faults] == [
        (("unique_keys", 0, "name"), "name_taken"),
        (("indexes", 0, "name"), "name_taken"),
    ]


async def test_a_text_keeps_its_collation_with_another_length(house: House) -> None:
    await house.run('CREATE TABLE t (a varchar(5) COLLATE "C")', "CREATE INDEX i ON t (a)")
    definition = await house.adopt()
    file = await house.file("i")

    await house.publish(typed(definition, "a", "varchar(9)"))

    assert await house.rows(
        "SELECT l.collname FROM pg_attribute a JOIN pg_collation l ON l.oid = a.attcollation"
        " WHERE attrelid = 't'::regclass AND attnum > 0"
    ) == [("C",)]
    assert await house.file("i") == file


async def test_a_column_that_the_database_numbers_can_not_become_a_text(house: House) -> None:
    await house.run("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY)")
    definition = await house.adopt()
    house.want(typed(definition, "id", "text"))

    assert [(f.loc, f.code) for f in (await house.planned()).faults] == [
        (("columns", 0, "type"), "default_kept")
    ]


async def test_an_index_that_is_made_anew_for_another_type_locks(house: House) -> None:
    await house.run(
        "CREATE EXTENSION citext", "CREATE TABLE t (a citext UNIQUE)", "INSERT INTO t VALUES ('A')"
    )
    definition = await house.adopt()
    file, index = await house.file(), await house.file("t_a_key")

    assert risks(await house.publish(typed(definition, "a", "text"))) == {"locks"}

    assert await house.file() == file
    assert await house.file("t_a_key") != index
