"""How fast a CSV file gets into a table, against the least that the database itself needs for it.

`python -m tests.benchmarks.load --rows 1000000` makes a file, measures for each target the floor (the
server's own COPY of the raw file; for SQLite a bare executemany of ready values; for MariaDB its own client
reading ready INSERT statements of a megabyte each) and our load in the same run, and prints one JSON line
for each target. `--engine` picks some of them. Only the ratios compare across machines.
"""

import argparse
import asyncio
import csv
import datetime as dt
import json
import random
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import psutil

from services.etl.pipeline.job import Job
from services.etl.runner.executor import Executor, ExecutorLimits
from services.etl.runner.messages import ChildMessage, Succeeded
from tests.integration.etl_data.jobs import (
    POLICY,
    TABLE,
    Jobs,
    MariaTable,
    PostgresTable,
    SqliteTable,
    TestTable,
    columns_of,
)
from tests.servers import mariadb, postgres
from tests.servers.private import find_program

TYPES: Mapping[str, str] = {
    "id": "int64",
    "ref": "int64",
    "sku": "text",
    "price": "decimal(14,2)",
    "qty": "int32",
    "rate": "decimal(6,4)",
    "created": "timestamptz",
    "updated": "timestamptz",
    "active": "boolean",
    "category": "text",
    "email": "text",
    "note": "text",
}
STEPS: Sequence[Mapping[str, Any]] = (
    {"step": "column_mapping", "params": {"mapping": {"sku": "article"}}},
    {"step": "column_mapping", "params": {"mapping": {"article": "sku"}}},
    {"step": "filter_rows", "params": {"condition": {"op": "ge", "column": "qty", "value": 0}}},
    {"step": "fill_missing", "params": {"values": {"note": ""}}},
    {"step": "select_columns", "params": {"columns": list(TYPES)}},
)
_ZONES = ("Z", "+02:00", "-05:00", "+05:30")
_NOTES = ("plain note", 'with "quotes"', "line\nbreak", "comma, here", "\u00fcn\u00efcode \u2603", "")


def rows(count: int) -> Iterator[list[Any]]:
    """Rows of many kinds: large numbers, leading zeros, exact decimals, zones, quotes, newlines, NULLs."""
    chance = random.Random(7)
    for number in range(count):
        moment = f"20{chance.randint(10, 24)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        yield [
            number,
            chance.getrandbits(62),
            f"0{chance.randint(1000, 9999)}",
            f"{chance.randint(0, 10**9) / 100:.2f}",
            chance.randint(0, 999),
            "" if chance.random() < 0.15 else f"{chance.random():.4f}",
            f"{moment}T{chance.randint(0, 23):02}:00:00{chance.choice(_ZONES)}",
            "" if chance.random() < 0.3 else "2024-01-02 03:04:05Z",
            chance.choice(("true", "false")),
            chance.choice(("a,b", "\u5de5\u5177", "misc")),
            f"user{number}@example.com",
            chance.choice(_NOTES),
        ]


def write(path: Path, count: int) -> None:
    """The file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TYPES)
        writer.writerows(rows(count))


class Meter:
    """The most memory that the child took, sampled whenever it tells something."""

    def __init__(self) -> None:
        self.peak_mb = 0

    async def __call__(self, _message: ChildMessage) -> None:
        for child in psutil.Process().children():
            if "services.etl.runner.child" in child.cmdline():
                self.peak_mb = max(self.peak_mb, child.memory_info().rss >> 20)


async def measured(executor: Executor, job: Job) -> tuple[float, int]:
    """Seconds and peak memory of a load."""
    meter, started = Meter(), time.perf_counter()
    outcome = await executor.execute(job, meter)
    assert isinstance(outcome, Succeeded), outcome
    return time.perf_counter() - started, meter.peak_mb


async def copied(dsn: postgres.Dsn, path: Path) -> float:
    """Seconds of the server's own COPY of the raw file."""
    connection = await dsn.connect()
    try:
        started = time.perf_counter()
        await connection.copy_to_table(TABLE, source=str(path), format="csv", header=True)
        return time.perf_counter() - started
    finally:
        await connection.close()


def inserted(path: Path, target: Path) -> float:
    """Seconds of a bare executemany of values that are ready, in one transaction."""
    with path.open(newline="", encoding="utf-8") as file:
        ready = [[cell or None for cell in row] for row in csv.reader(file)][1:]
    with closing(sqlite3.connect(target)) as connection:
        started = time.perf_counter()
        with connection:
            marks = ",".join("?" * len(TYPES))
            connection.executemany(f"INSERT INTO {TABLE} VALUES ({marks})", ready)
        return time.perf_counter() - started


_STATEMENT_BYTES = 1_000_000


def statements(path: Path, script: Path) -> None:
    """The rows as a script of INSERT statements of about a megabyte, in one transaction."""
    with path.open(newline="", encoding="utf-8") as file, script.open("w", encoding="utf-8") as made:
        made.write("SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES', time_zone = '+00:00';\nBEGIN;\n")
        values: list[str] = []
        size = 0
        for row in list(csv.reader(file))[1:]:
            values.append(f"({','.join(map(literal, TYPES.values(), row))})")
            size += len(values[-1])
            if size > _STATEMENT_BYTES:
                made.write(f"INSERT INTO {TABLE} VALUES {','.join(values)};\n")
                values, size = [], 0
        made.write(f"INSERT INTO {TABLE} VALUES {','.join(values)};\n" if values else "")
        made.write("COMMIT;\n")


def literal(kind: str, cell: str) -> str:
    """A cell as MariaDB spells it."""
    if not cell:
        return "NULL"
    if kind == "timestamptz":
        moment = dt.datetime.fromisoformat(cell).astimezone(dt.UTC)
        return f"'{moment:%Y-%m-%d %H:%M:%S}'"
    return "'" + cell.replace("'", "''") + "'" if kind == "text" else cell


def piped(dsn: mariadb.MariaDsn, script: Path) -> float:
    """Seconds of the server's own client for the script."""
    command = [str(find_program("mariadb")), "--no-defaults", f"--host={dsn.host}", f"--port={dsn.port}"]
    command += [f"--user={dsn.user}", f"--password={dsn.password}", "--default-character-set=utf8mb4"]
    with script.open("rb") as file:
        started = time.perf_counter()
        subprocess.run([*command, dsn.database], stdin=file, check=True)
        return time.perf_counter() - started


async def bench(jobs: Jobs, content: bytes, floor: float, *, count: int) -> dict[str, Any]:
    """Our load into an empty table, once to warm the child up and then for the record."""
    executor = Executor(policy=POLICY, limits=ExecutorLimits(recycle_above_mb=4096))
    try:
        await measured(executor, jobs.job(content[: content.index(b"\n") + 1]))
        plain, peak = await measured(executor, jobs.job(content))
        await jobs.table.execute(f"DELETE FROM {TABLE}")
        stepped, peak_stepped = await measured(executor, jobs.job(content, steps=STEPS))
    finally:
        await executor.close()
    return {
        "rows": count,
        "floor_seconds": round(floor, 2),
        "seconds": round(plain, 2),
        "rows_per_second": round(count / plain),
        "ratio_to_floor": round(floor / plain, 2),
        "ratio_with_five_steps": round(floor / stepped, 2),
        "peak_mb": max(peak, peak_stepped),
    }


def floor_of(table: TestTable, path: Path) -> Callable[[], Awaitable[float]]:
    """What measures the floor of a target; what only prepares it is done by then."""
    match table:
        case PostgresTable():
            return lambda: copied(table.dsn, path)
        case SqliteTable():
            return lambda: asyncio.to_thread(inserted, path, table.path)
        case MariaTable():
            script = path.with_suffix(".sql")
            statements(path, script)
            return lambda: asyncio.to_thread(piped, table.dsn, script)
    raise AssertionError(table)


@asynccontextmanager
async def place(engine: str, folder: Path) -> AsyncIterator[TestTable]:
    """A target of this kind, with a server of its own where it needs one."""
    with ExitStack() as servers:
        if engine == "postgresql":
            yield PostgresTable(await servers.enter_context(postgres.running()).create_database())
        elif engine == "mysql":
            yield MariaTable(await servers.enter_context(mariadb.running()).create_database())
        else:
            yield SqliteTable(folder / "warehouse.db")


async def main(count: int, engines: Sequence[str]) -> None:
    """Measure the targets one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "source.csv"
        write(path, count)
        content = path.read_bytes()
        for engine in engines:
            async with place(engine, folder) as table:
                await table.create(columns_of(TYPES), key=())
                floor = await floor_of(table, path)()
                await table.execute(f"DELETE FROM {TABLE}")
                result = await bench(Jobs(table, folder, TYPES), content, floor, count=count)
                print(json.dumps({"target": engine} | result))  # noqa: T201  it is a command


ENGINES = ("postgresql", "mysql", "sqlite")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--engine", action="append", choices=ENGINES)
    given = parser.parse_args()
    asyncio.run(main(given.rows, given.engine or ENGINES))
