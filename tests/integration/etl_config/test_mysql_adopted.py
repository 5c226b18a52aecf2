"""Tables that others have made in MariaDB, and types of its own: what a definition can't say is kept."""

import pytest

from services.etl.tables.definition import TableDefinition
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column

from .mysql_house import House

pytestmark = pytest.mark.mariadb


@pytest.fixture
def house(mariadb_database: MariaDsn) -> House:
    return House(mariadb_database)


async def test_what_others_have_declared_stays_as_it_was(house: House) -> None:
    await house.run(
        "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, n int AS (1 + 1) STORED,"
        " at timestamp(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),"
        " d varchar(9) COLLATE utf8mb4_general_ci DEFAULT (uuid()),"
        " e enum('a','b') COLLATE utf8mb4_nopad_bin, x longtext COLLATE utf8mb4_nopad_bin,"
        " KEY part (d(3))) COLLATE utf8mb4_general_ci",
        "INSERT INTO t (at, d, e, x) VALUES ('2020-01-01', 'A', 'b', 'true'), ('2020-01-01', 'B', 'a', NULL)",
    )
    definition = await house.adopt()
    columns = [one.model_copy(update={"comment": "Said."}) for one in definition.columns if one.name != "n"]
    columns = [
        one.model_copy(update={"type": column("x", "boolean").type}) if one.name == "x" else one
        for one in columns
    ]
    n = definition.column("n")
    assert n is not None

    await house.publish(definition.model_copy(update={"columns": [*columns, n]}))

    assert await house.rows("SELECT id, n, year(at), d, e, x FROM t") == [
        (1, 2, 2020, "A", "b", 1), (2, 2, 2020, "B", "a", None),
    ]  # fmt: skip
    ((_, made),) = await house.rows("SHOW CREATE TABLE t")
    for part in ("AUTO_INCREMENT", "ON UPDATE current_timestamp(6)", "DEFAULT uuid()", "KEY `part`"):
        assert part in made


async def test_what_the_server_computes_can_only_get_another_name(house: House) -> None:
    await house.run("CREATE TABLE t (id int PRIMARY KEY, n int AS (id + 1) STORED)")
    definition = await house.adopt()
    one, n = definition.columns
    await house.publish(definition.model_copy(update={"columns": [one, n.model_copy(update={"name": "m"})]}))
    house.want(definition.model_copy(update={"columns": [one, n.model_copy(update={"comment": "x"})]}))

    assert [(f.loc, f.code) for f in (await house.planned()).faults] == [(("columns", 1), "column_generated")]


async def test_a_list_of_words_grows_and_becomes_a_text_with_its_values(house: House) -> None:
    words = column("w").model_copy(update={"native": "enum('a','b')"})
    await house.publish(TableDefinition(columns=[words]))
    await house.run("INSERT INTO t VALUES ('a'), ('b')")

    longer = words.model_copy(update={"native": "enum('a','b','c')"})
    assert (await house.publish(TableDefinition(columns=[longer]))).statements[0].risk == "safe"
    await house.publish(TableDefinition(columns=[longer.model_copy(update={"native": None})]))

    assert await house.rows("SELECT w FROM t ORDER BY w") == [("a",), ("b",)]
