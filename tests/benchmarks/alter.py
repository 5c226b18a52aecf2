"""How long a large table of PostgreSQL takes to follow its configuration, and whether its rows are written.

`python -m tests.benchmarks.alter --rows 1000000` publishes a data table on a private server, fills it, and
changes it in steps that need no row to be written: each through plan and apply of the product, and as the
same statements by hand on a twin of the table, in the same run. It prints one JSON line: seconds of both, and
whether the file of the rows is another one afterwards. Exits with 1 if one is.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.etl.tables.definition import ColumnDefinition, TableDefinition
from tests.integration.etl_config.postgresql_house import House
from tests.servers import postgres
from tests.unit.etl_config.making import column

COLUMNS = (
    column("id", "int64", nullable=False),
    column("name", "varchar(40)"),
    column("price", "decimal(14,2)"),
    column("at", "timestamptz"),
)
TWIN = "twin"


@dataclass(frozen=True)
class Step:
    """A change of the configuration, and the same by hand."""

    name: str
    change: Callable[[TableDefinition], TableDefinition]
    by_hand: Sequence[str]
    table: str = "t"


def with_columns(definition: TableDefinition, columns: Sequence[ColumnDefinition]) -> TableDefinition:
    return definition.model_copy(update={"columns": list(columns)})


def replaced(definition: TableDefinition, place: int, **changes: Any) -> TableDefinition:
    columns = list(definition.columns)
    columns[place] = columns[place].model_copy(update=changes)
    return with_columns(definition, columns)


STEPS = (
    Step(
        "add_column_with_default",
        lambda one: with_columns(one, [*one.columns, column("qty", "int32", nullable=False, literal="7")]),
        [f"ALTER TABLE {TWIN} ADD COLUMN qty integer DEFAULT 7 NOT NULL"],
    ),
    Step(
        "rename_column",
        lambda one: replaced(one, 1, name="title"),
        [f"ALTER TABLE {TWIN} RENAME COLUMN name TO title"],
    ),
    Step(
        "widen_varchar",
        lambda one: replaced(one, 1, type=column("_", "varchar(400)").type),
        [f"ALTER TABLE {TWIN} ALTER COLUMN title TYPE character varying(400)"],
    ),
    Step(
        "comment",
        lambda one: one.model_copy(update={"comment": "All of them."}),
        [f"COMMENT ON TABLE {TWIN} IS 'All of them.'"],
    ),
    Step("rename_table", lambda one: one, [f"ALTER TABLE {TWIN} RENAME TO other_{TWIN}"], table="other"),
)


async def by_hand(house: House, statements: Sequence[str]) -> float:
    """Seconds of the statements in one transaction, over a connection of their own."""
    started = time.perf_counter()
    connection = await house.dsn.connect()
    try:
        async with connection.transaction():
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()
    return time.perf_counter() - started


async def measured(house: House, step: Step) -> dict[str, Any]:
    """One step through the product, and by hand."""
    file = await house.file(house.wanted.location.name)
    house.want(step.change(house.wanted.definition), step.table)
    started = time.perf_counter()
    plan = await house.planned()
    planned = time.perf_counter() - started
    await house.apply()
    seconds = time.perf_counter() - started
    return {
        "plan_seconds": round(planned, 3),
        "seconds": round(seconds, 3),
        "floor_seconds": round(await by_hand(house, step.by_hand), 3),
        "risks": sorted({statement.risk for statement in plan.statements}),
        "rewritten": await house.file(step.table) != file,
    }


async def main(rows: int) -> bool:
    """Measure all steps; whether no row was written."""
    with postgres.running() as dsn:
        house = House(await dsn.create_database())
        await house.publish(TableDefinition(columns=list(COLUMNS), primary_key=["id"]))
        await house.run(
            f"INSERT INTO t SELECT n, 'row ' || n, n / 100.0, now() FROM generate_series(1, {rows}) n",
            f"CREATE TABLE {TWIN} (LIKE t INCLUDING ALL)",
            f"INSERT INTO {TWIN} SELECT * FROM t",
            "VACUUM ANALYZE t",
        )
        steps = {step.name: await measured(house, step) for step in STEPS}
    print(json.dumps({"target": "postgresql", "rows": rows, "steps": steps}))  # noqa: T201 - it is a command
    return not any(step["rewritten"] for step in steps.values())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    sys.exit(0 if asyncio.run(main(parser.parse_args().rows)) else 1)
