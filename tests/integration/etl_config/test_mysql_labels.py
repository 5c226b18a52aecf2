"""What a plan says of a statement is what MariaDB does: it makes the table anew exactly when that is said."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pytest
from pymysql.err import Error

from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.dialects._mysql_alter import INSTANT
from services.etl.tables.plans.plan import Plan
from tests.servers.mariadb import MariaDsn
from tests.unit.etl_config.making import column, key

from .mysql_house import House

pytestmark = pytest.mark.mariadb

NOT_SO = {1845, 1846}
START = TableDefinition(
    columns=[
        column("k", "int32", nullable=False),
        column("a", "varchar(20)"),
        column("mid", "varchar(32)"),
        column("long", "varchar(100)"),
        column("n", "int32"),
        column("w").model_copy(update={"native": "enum('a','b')"}),
        column("j", "json"),
        column("u", "int64", nullable=False),
    ],
    unique_keys=[key("u", "u")],
    indexes=[key("i", "n")],
)
Edit = Callable[[TableDefinition], TableDefinition]


def edited(name: str, /, **changes: object) -> Edit:
    """One column otherwise."""

    def edit(definition: TableDefinition) -> TableDefinition:
        columns = [
            one.model_copy(update=changes) if one.id == column(name).id else one for one in definition.columns
        ]
        return definition.model_copy(update={"columns": columns})

    return edit


def keyed(**changes: object) -> Edit:
    """Other keys."""
    return lambda definition: definition.model_copy(update=changes)


def without(name: str) -> Edit:
    return lambda definition: definition.model_copy(
        update={"columns": [one for one in definition.columns if one.id != column(name).id]}
    )


def also(new: ColumnDefinition) -> Edit:
    return lambda definition: definition.model_copy(update={"columns": [*definition.columns, new]})


def typed(name: str, kind: str) -> Edit:
    return edited(name, type=column("x", kind).type)


EDITS: Mapping[str, Edit] = {
    "a column is renamed": edited("a", name="b"),
    "a column gets a comment": edited("n", comment="Said."),
    "a column gets a default": edited("n", default=column("x", "int32", literal="5").default),
    "a column is added": also(column("new", "int64", nullable=False, literal="7")),
    "a column is dropped": without("long"),
    "a JSON is renamed": edited("j", name="jj"),
    "a varchar is a little longer": typed("a", "varchar(63)"),
    "a short varchar is much longer": typed("a", "varchar(64)"),
    "a varchar needs longer lengths": typed("mid", "varchar(64)"),
    "a long varchar is longer": typed("long", "varchar(200)"),
    "a varchar is shorter": typed("long", "varchar(90)"),
    "an integer is wider": typed("n", "int64"),
    "a column is needed": edited("k", nullable=True),
    "a list has more words": edited("w", native="enum('a','b','c')"),
    "an index is added": keyed(indexes=[key("i", "n"), key("i2", "k")]),
    "an index is dropped": keyed(indexes=[]),
    "an index is renamed": keyed(indexes=[key("other", "n")]),
    "a primary key is added": keyed(primary_key=["k"]),
    "the only key without NULLs goes": keyed(unique_keys=[]),
    "the table gets a comment": keyed(comment="Said."),
}
IMPOSSIBLE = {frozenset({"a column is needed", "a primary key is added"})}


async def is_made_anew(house: House, plan: Plan) -> bool:
    """Whether the server refuses to do the statement without making the table anew."""
    (statement,) = plan.statements
    try:
        await house.run(f"{statement.sql.removesuffix(INSTANT)}, ALGORITHM=NOCOPY")
    except Error as error:
        if error.args[0] in NOT_SO:
            return True
        raise
    return False


async def fresh(house: House) -> None:
    await house.run(f"DROP TABLE IF EXISTS `{house.dsn.database}`.t")
    for statement in house.dialect.create(house.wanted.location, START):
        await house.run(statement.sql)


async def test_a_statement_says_that_it_makes_the_table_anew_exactly_when_it_does(
    mariadb_database: MariaDsn,
) -> None:
    house = House(mariadb_database)
    await house.publish(START)
    wrong: dict[Any, str] = {}
    for pair in [*((name,) for name in EDITS), *combinations(EDITS, 2)]:
        if frozenset(pair) in IMPOSSIBLE:
            continue
        await fresh(house)
        wanted = START
        for name in pair:
            wanted = EDITS[name](wanted)
        house.want(wanted)
        plan = await house.planned()
        if not plan.statements:
            continue
        said = any(statement.effort == "rewrite" for statement in plan.statements)
        if said != await is_made_anew(house, plan):
            wrong[pair] = plan.statements[0].sql
    assert wrong == {}


@pytest.mark.parametrize("name", [name for name in EDITS if "index" in name or "renamed" in name])
async def test_a_statement_that_is_said_to_be_done_at_once_is_asked_for_so(
    mariadb_database: MariaDsn, name: str
) -> None:
    house = House(mariadb_database)
    await house.publish(START)

    (statement,) = (await house.publish(EDITS[name](START))).statements

    assert (statement.risk == "safe") == statement.sql.endswith(INSTANT)
    assert statement.effort != "rewrite"
