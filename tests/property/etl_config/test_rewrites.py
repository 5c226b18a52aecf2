"""Statements say that the table is written anew exactly when PostgreSQL does it."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.columns import KINDS, ColumnType
from services.etl.tables.definition import ColumnDefinition, TableDefinition
from services.etl.tables.dialects import DIALECTS, Sql
from services.etl.tables.dialects._postgresql_columns import cast_of, rewrites
from services.etl.tables.dialects.casts import castable
from services.etl.tables.difference import ColumnPair
from tests.integration.etl_config.postgresql_house import House
from tests.servers.postgres import Dsn
from tests.unit.etl_config.making import column, key

pytestmark = pytest.mark.postgres

TYPES = [
    *(kind for kind in KINDS if kind not in {"varchar", "decimal"}),
    *("varchar(3)", "varchar(9)", "decimal(5,2)", "decimal(9,2)", "decimal(9,4)"),
]
NATIVES = [  # fmt
    "character varying",
    "inet",
    "timestamp(3) without time zone",
    "xml",
    "character(4)",
    "numeric",
    "json",
]
SAMPLES = {
    "int16": "1", "int32": "1", "int64": "1", "decimal": "1", "float32": "1", "float64": "1",
    "boolean": "true", "date": "2024-01-01", "time": "10:00:00", "timestamp": "2024-01-01 10:00:00",
    "timestamptz": "2024-01-01 10:00:00+00:00", "uuid": "018f0000-0000-7000-8000-000000000001",
    "json": "{}", "bytes": "00",
}  # fmt: skip
POSTGRESQL = DIALECTS["postgresql"]
FILE = "SELECT pg_relation_filenode('t')"
NAMES = ["a", "b", "c"]


@st.composite
def changes(draw: st.DrawFn) -> tuple[TableDefinition, TableDefinition]:
    """A table, and the same with columns that are changed, dropped and added."""
    columns = [drawn(draw, name) for name in NAMES]
    after = [changed(draw, one) for one in columns if draw(st.integers(0, 5))]
    if draw(st.booleans()):
        after.append(drawn(draw, "new"))
    indexed = [one.name for one in columns if one.type.kind in {"timestamp", "timestamptz", "varchar"}]
    keys = [key("i", indexed[0])] if indexed and not columns[0].native else []
    kept = {one.name for one in after}
    before = TableDefinition(columns=[column("id", "int32"), *columns], indexes=keys)
    return before, TableDefinition(
        columns=[column("id", "int32"), *after],
        indexes=[one for one in keys if kept >= set(one.columns)],
        comment=draw(st.sampled_from(["", "Other."])),
    )


def drawn(draw: st.DrawFn, name: str) -> ColumnDefinition:
    one = column(name, draw(st.sampled_from(TYPES)))
    if not draw(st.integers(0, 4)):
        return one.model_copy(update={"native": draw(st.sampled_from(NATIVES)), "type": ColumnType("text")})
    literal = SAMPLES.get(one.type.kind, "x")
    return column(name, str(one.type), literal=literal if draw(st.booleans()) else None)


def changed(draw: st.DrawFn, one: ColumnDefinition) -> ColumnDefinition:
    """With another type, if there is a cast, or other rules."""
    wanted = ColumnType.parse(draw(st.sampled_from(TYPES)))
    if one.native is None and castable(one.type, wanted) and draw(st.booleans()):
        one = one.model_copy(update={"type": wanted, "default": None})
    elif one.native is not None and draw(st.booleans()):
        one = one.model_copy(update={"native": None})
    return one.model_copy(update={"comment": draw(st.sampled_from(["", "Said."]))})


@given(pair=changes())
@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def collected(pair: tuple[TableDefinition, TableDefinition]) -> None:
    COLLECTED.append(pair)


COLLECTED: list[tuple[TableDefinition, TableDefinition]] = []


async def test_a_change_is_said_to_rewrite_exactly_when_the_rows_get_another_file(
    postgres_database: Dsn,
) -> None:
    COLLECTED.clear()
    collected()
    rewritten = []
    for before, after in COLLECTED:
        house = House(postgres_database)
        await house.publish(before)
        file = await house.file()

        plan = await house.publish(after)

        says = any(statement.risk == "rewrites" for statement in plan.statements)
        assert says == (await house.file() != file), [statement.sql for statement in plan.statements]
        rewritten.append(says)
        await house.run("DROP TABLE t, _penstock_tables")
    assert {True, False} == set(rewritten)


async def test_a_cast_is_said_to_rewrite_exactly_when_it_does(postgres_database: Dsn) -> None:
    connection = await postgres_database.connect()
    await connection.execute("SET TimeZone = 'UTC'")
    said = set()
    for before, after in possible():
        pair = ColumnPair(before, after, 0, retyped=True)
        how = cast_of(pair, Sql("c"))
        using = "" if how.direct else f" USING {how.using}"
        await connection.execute(f"CREATE TABLE t (c {spelled(before)})")
        file = await connection.fetchval(FILE)
        await connection.execute(f"ALTER TABLE t ALTER c TYPE {spelled(after)}{using}")
        assert rewrites(pair) == (await connection.fetchval(FILE) != file), (before, after)
        said.add(rewrites(pair))
        await connection.execute("DROP TABLE t")
    assert said == {True, False}
    await connection.close()


def possible() -> Iterator[tuple[ColumnDefinition, ColumnDefinition]]:
    """All types, and all others that they can be cast to."""
    portable = [column("c", kind) for kind in TYPES]
    natives = [column("c").model_copy(update={"native": native}) for native in NATIVES]
    for before in [*portable, *natives]:
        for after in portable:
            if before != after and POSTGRESQL.castable(before, after):
                yield before, after


def spelled(one: ColumnDefinition) -> str:
    return one.native or POSTGRESQL.type_name(one.type)
