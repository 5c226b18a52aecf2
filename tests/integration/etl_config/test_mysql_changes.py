"""Changes of a data table in MariaDB: rows are kept, others are shut out, and what is cut off goes on."""

import asyncio
from uuid import UUID

import pytest

from services.etl.destinations import _mysql_sql as runs
from services.etl.tables.definition import ColumnDefinition, Location, TableDefinition
from services.etl.tables.errors import ChecksFailed, TargetBusy, TargetRefused
from services.etl.tables.targets import mysql as target_module
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import TABLE_ID, column, key

from .mysql_house import House

pytestmark = pytest.mark.mariadb


class Killed(Exception):
    """What stands for a SIGKILL: the connection goes, and nothing more is run."""


@pytest.fixture
def house(mariadb_database: MariaDsn) -> House:
    return House(mariadb_database)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than one try at a lock."""
    monkeypatch.setattr(target_module, "_PAUSES", ())


def swapped(one: ColumnDefinition, other: ColumnDefinition) -> list[ColumnDefinition]:
    """Each with the name of the other."""
    return [one.model_copy(update={"name": other.name}), other.model_copy(update={"name": one.name})]


def start() -> TableDefinition:
    """Two texts that could be swapped, and one that could be a time."""
    columns = [column("k", "int32", nullable=False), column("a"), column("b"), column("at"), column("gone")]
    return TableDefinition(
        columns=columns, primary_key=["k"], unique_keys=[key("u", "at")], indexes=[key("i", "a")]
    )


def goal() -> TableDefinition:
    """Everything at once: names swapped, a cast that needs values made, a column less, one with the time."""
    k, a, b, at, _ = start().columns
    at = at.model_copy(update={"type": column("x", "timestamptz").type, "name": "moment"})
    noted = column("noted", "timestamptz", nullable=False, function="now")
    return TableDefinition(
        columns=[k, *swapped(a, b), at, noted],
        primary_key=["k"],
        unique_keys=[key("u", "moment")],
        indexes=[key("j", "b")],
        comment="Other.",
    )


ROWS = (
    "INSERT INTO t (k, a, b, `at`) VALUES (1, 'a1', 'b1', '2026-01-31T13:45:00+02:00'),"
    " (2, 'a2', NULL, '2026-02-28 23:59:59.5Z'), (3, NULL, 'b3', NULL)"
)
AFTER = "SELECT k, a, b, CAST(moment AS char), noted > '2020-01-01' FROM {table} ORDER BY k"
EXPECTED = [
    (1, "b1", "a1", "2026-01-31 11:45:00.000000", 1),
    (2, None, "a2", "2026-02-28 23:59:59.500000", 1),
    (3, "b3", None, None, 1),
]


async def test_values_follow_their_columns_through_casts_and_swapped_names(house: House) -> None:
    await house.publish(start())
    await house.run(ROWS)

    plan = await house.publish(goal(), "new name")

    assert [statement.risk for statement in plan.statements] == ["safe", "rewrites", "destroys", "safe"]
    assert await house.rows(AFTER.format(table="`new name`")) == EXPECTED


async def killed_at(house: House, step: int) -> bool:
    """Whether the change got so far that it could be killed there."""

    def told(at: int, of: int) -> None:
        assert of == 4
        if at == step:
            raise Killed

    try:
        await house.apply(told=told)
    except Killed:
        return True
    return False


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_a_change_that_is_killed_before_any_step_can_be_finished(house: House, step: int) -> None:
    await house.publish(start())
    await house.run(ROWS)
    house.want(goal(), "new")
    assert await killed_at(house, step)

    plan = await house.planned()
    await house.apply()

    assert plan.statements
    assert await house.rows(AFTER.format(table="new")) == EXPECTED
    assert (await house.planned()).kind == "none"


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_a_change_that_was_killed_can_be_taken_back(house: House, step: int) -> None:
    await house.publish(start())
    await house.run(ROWS)
    house.want(goal(), "new")
    assert await killed_at(house, step)
    definition = start().model_copy(update={"columns": start().columns[:3], "unique_keys": []})
    house.edited()

    await house.publish(definition, "t")

    assert await house.rows("SELECT k, a, b FROM t ORDER BY k") == [
        (1, "a1", "b1"), (2, "a2", None), (3, None, "b3"),
    ]  # fmt: skip


async def test_after_the_last_statement_only_the_mark_is_left(house: House) -> None:
    await house.publish(start())
    house.want(goal(), "new")
    await house.apply()
    database = house.dsn.database
    await house.run(f"UPDATE `{database}`._penstock_tables SET state = 'begun', revision = 2")
    house.wanted = house.wanted.__class__(
        TABLE_ID, house.wanted.location, 2, goal(), None, {2: goal()}, names=("t",)
    )

    assert (await house.planned()).kind == "adopt"


async def test_rows_that_stand_against_it_are_told_and_nothing_is_touched(house: House) -> None:
    await house.publish(start())
    await house.run(ROWS, "INSERT INTO t (k, a, `at`) VALUES (4, 'x', 'soon')")
    before = await house.rows("SHOW CREATE TABLE t"), await house.rows("SELECT * FROM t")
    house.want(goal(), "new")

    with pytest.raises(ChecksFailed) as refused:
        await house.apply()

    (finding,) = [one for one in (await house.examined()).findings if one.rows]
    assert (finding.rows, finding.samples) == (1, ("soon",))
    assert [(fault.loc, fault.code) for fault in refused.value.faults] == [
        (("columns", 3, "type"), "value_unfit")
    ]
    assert (await house.rows("SHOW CREATE TABLE t"), await house.rows("SELECT * FROM t")) == before
    assert (await house.examined()).sight.begun is None


async def test_equal_values_after_a_cast_are_duplicates(house: House) -> None:
    number = TableDefinition(columns=[column("n")], unique_keys=[key("u", "n")])
    await house.publish(number)
    await house.run("INSERT INTO t VALUES ('1'), ('01'), ('+1'), ('2'), (NULL), (NULL), ('x')")
    house.want(number.model_copy(update={"columns": [column("n", "int32")]}))

    findings = {one.check.code: one.rows for one in (await house.examined()).findings}

    assert findings == {"value_unfit": 1, "key_duplicate": 2}


async def test_a_refused_change_takes_its_note_back(house: House) -> None:
    await house.publish(start())
    await house.run("CREATE TABLE u (k int, FOREIGN KEY (k) REFERENCES t (k))")
    k, *others = start().columns
    long = k.model_copy(update={"type": column("k", "int64").type})
    house.want(start().model_copy(update={"columns": [long, *others]}))

    with pytest.raises(TargetRefused, match="depend"):
        await house.apply()

    assert (await house.examined()).sight.begun is None


@pytest.mark.usefixtures("impatient")
async def test_a_run_and_a_change_shut_each_other_out(house: House) -> None:
    await house.publish(start())
    connection = await house.dsn.connect()
    async with connection.cursor() as cursor:
        name = runs.lock_name(house.dsn.database, str(TABLE_ID))
        await cursor.execute("SELECT GET_LOCK(%s, 0)", (name,))
        house.want(goal())

        with pytest.raises(TargetBusy):
            await house.apply()
    connection.close()


async def test_a_run_that_begins_meanwhile_sees_that_a_change_has_the_lock(house: House) -> None:
    await house.publish(start())
    database, seen = house.dsn.database, []
    names = (runs.lock_name(database, str(TABLE_ID)), runs.change_lock_name(database, str(TABLE_ID)))
    house.want(goal())
    holders = asyncio.Event()

    def told(step: int, _: int) -> None:
        if step == 1:
            holders.set()

    async def look() -> None:
        await holders.wait()
        seen.extend(await house.rows(f"SELECT IS_USED_LOCK('{names[0]}'), IS_USED_LOCK('{names[1]}')"))

    await asyncio.gather(look(), house.apply(told=told))

    ((holder, changing),) = seen
    assert holder is not None
    assert holder == changing


@pytest.mark.usefixtures("impatient")
async def test_a_table_that_is_read_for_too_long_is_busy_and_stays_as_it_is(house: House) -> None:
    await house.publish(start())
    await house.run(ROWS)
    connection = await house.dsn.connect()
    async with connection.cursor() as cursor:
        await cursor.execute("BEGIN")
        await cursor.execute("SELECT * FROM t")
        house.want(goal())

        with pytest.raises(TargetBusy):
            await house.apply()
    connection.close()

    assert (await house.examined()).sight.begun is None
    await house.apply()
    assert await house.rows(AFTER.format(table="t")) == EXPECTED


async def test_an_index_is_made_beside_those_who_write_where_that_is_asked(house: House) -> None:
    plain = TableDefinition(columns=[column("a", "int32")])
    await house.publish(plain)

    plan = await house.publish(plain.model_copy(update={"indexes": [key("i", "a")]}), concurrently=True)

    assert [one.sql.split("\n")[-1] for one in plan.statements] == [
        "  ADD KEY `i` (`a`), ALGORITHM=INPLACE, LOCK=NONE"
    ]


async def test_all_marks_are_found_in_every_database(house: House, mariadb_server: MariaDsn) -> None:
    await house.publish(start())
    other = House(await mariadb_server.create_database())
    await other.publish(start(), "u")
    await other.run("DROP TABLE u")
    await house.run(f"UPDATE `{other.dsn.database}`._penstock_tables SET table_id = '{UUID(int=7)}'")

    found = {one.table_id: (one.location, one.exists) for one in await house.target.marked()}

    await mariadb_server.drop_database(other.dsn)
    assert found[TABLE_ID] == (Location(house.dsn.database, "t"), True)
    assert found[UUID(int=7)] == (Location(other.dsn.database, "u"), False)
