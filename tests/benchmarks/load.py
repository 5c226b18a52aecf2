"""How long whole runs take, against what the databases' own clients need for the same rows.

`make bench-load`, or `python -m tests.benchmarks.load --rows 1000000 --case csv_postgresql`, makes the rows,
measures floor and run by turns on private servers with their default settings (fsync on), and prints one
JSON line for each case: `wall_s` and `floor_s` are the medians of the rounds, `ratio` is the one by the
other, `rss_mb` the peak memory of the process that carries the data path. A small run before the first one
warms that process up; `--cold` leaves it out. Only the ratios compare across machines.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.acceptance import process
from tests.acceptance.workshop import Workshop, owner
from tests.benchmarks import floors
from tests.benchmarks.goods import TYPES, Goods
from tests.benchmarks.runs import Bench, Measured, csv_source, table_source
from tests.servers import mariadb, postgres

FIVE_STEPS: Final[Sequence[Mapping[str, Any]]] = (
    {"step": "column_mapping", "params": {"mapping": {"sku": "article"}}},
    {"step": "cast_types", "params": {"columns": [{"column": "qty", "type": "int64"}]}},
    {"step": "filter_rows", "params": {"condition": {"op": "ge", "column": "qty", "value": 100}}},
    {"step": "derive_column", "params": {"columns": [{"column": "sku", "expression": "upper(article)"}]}},
    {"step": "deduplicate", "params": {"columns": ["id"]}},
)
DROPPED: Final[Mapping[str, Any]] = {"step": "select_columns", "params": {"columns": list(TYPES)}}
POSTGRES_DEFAULTS: Final = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "shared_buffers": "128MB",
}  # fmt: skip
MARIADB_DEFAULTS: Final = {
    "innodb-buffer-pool-size": "128M", "innodb-log-file-size": "96M",
    "innodb-flush-log-at-trx-commit": "1", "innodb-doublewrite": "1",
}  # fmt: skip
MANY: Final = 2_000_000
"""From so many rows on one round is enough: it takes long, and its noise is small beside it."""

BAD_EVERY: Final = 1000
UPSERTED: Final = (5_000_000, 200_000)
"""Rows in the table before an upsert, and rows of the upsert, half of them of known keys."""


@dataclass
class Ground:
    """Servers, a running Penstock and a folder for files, for all cases."""

    folder: Path
    bench: Bench
    rows: int
    postgres: postgres.Dsn
    mariadb: mariadb.MariaDsn
    resources: dict[str, str] = field(default_factory=dict)

    def file(self, name: str, goods: Goods) -> Path:
        """The goods as CSV, made once."""
        path = self.folder / f"{name}.csv"
        if not path.exists():
            goods.to_csv(path)
        return path

    @property
    def rounds(self) -> int:
        """How often floor and run are measured."""
        return 1 if self.rows > MANY else 3


@dataclass(frozen=True)
class Measures:
    """A floor and a run that can be repeated; `again` brings the tables back before each of them."""

    floor: Callable[[], float]
    run: Callable[[], Measured]
    again: Callable[[], Awaitable[None]]
    rows: int


def save(table: str, **params: Any) -> dict[str, Any]:
    return {"step": "database_save", "params": {"table_id": table, **params}}


async def csv_to_postgresql(
    ground: Ground, name: str, *, steps: Sequence[Mapping[str, Any]] = (), bad: bool = False
) -> Measures:
    """A CSV file into a table without a key; bad rows are a thousandth, and the floor has none of them."""
    clean = ground.file("goods", Goods(ground.rows))
    goods = Goods(ground.rows, bad_every=BAD_EVERY if bad else None)
    sent = ground.file("bad", goods) if bad else clean
    table = ground.bench.table(name, ground.resources["postgresql"], key=())
    pipeline = [*steps, DROPPED, save(table)] if steps else [save(table)]
    limits = {"max_rejects": goods.bad} if bad else {}
    task = ground.bench.task(name, csv_source(ground.bench.upload(sent)), pipeline, **limits)
    dsn, floor = ground.postgres, f"{name}_floor"
    await dsn.execute(f"CREATE TABLE {floor} (LIKE {name} INCLUDING ALL)")

    async def again() -> None:
        await dsn.execute(f"TRUNCATE {name}, {floor}", "CHECKPOINT")

    return Measures(
        lambda: floors.copied(dsn, floor, clean), lambda: ground.bench.run(task), again, goods.count
    )


async def csv_to_mariadb(ground: Ground, name: str) -> Measures:
    """A CSV file into a table with a primary key; the floor reads text that was prepared for it."""
    goods = Goods(ground.rows)
    sent, prepared = ground.file("goods", goods), ground.folder / "goods.tsv"
    if not prepared.exists():
        goods.to_tsv(prepared)
    table = ground.bench.table(name, ground.resources["mysql"], key=("id",))
    task = ground.bench.task(name, csv_source(ground.bench.upload(sent)), [save(table)])
    dsn, floor = ground.mariadb, f"{name}_floor"
    await dsn.execute(f"CREATE TABLE {floor} LIKE {name}")

    async def again() -> None:
        await dsn.execute(f"TRUNCATE {name}", f"TRUNCATE {floor}")

    return Measures(
        lambda: floors.loaded(dsn, floor, prepared), lambda: ground.bench.run(task), again, goods.count
    )


async def postgresql_to_postgresql(ground: Ground, name: str) -> Measures:
    """A table into another one of the same columns."""
    dsn, source, floor = ground.postgres, f"{name}_source", f"{name}_floor"
    table = ground.bench.table(name, ground.resources["postgresql"], key=())
    await dsn.execute(f"CREATE TABLE {source} (LIKE {name})", f"CREATE TABLE {floor} (LIKE {name})")
    floors.copied(dsn, source, ground.file("goods", Goods(ground.rows)))
    await dsn.execute(f"VACUUM ANALYZE {source}")
    task = ground.bench.task(name, table_source(ground.resources["postgresql"], source), [save(table)])

    async def again() -> None:
        await dsn.execute(f"TRUNCATE {name}, {floor}", "CHECKPOINT")

    return Measures(
        lambda: floors.piped(dsn, source, floor), lambda: ground.bench.run(task), again, ground.rows
    )


async def upsert_to_postgresql(ground: Ground, name: str) -> Measures:
    """Rows of which half are of known keys, into a table of many."""
    there, count = UPSERTED if ground.rows >= 1_000_000 else (ground.rows * 5, ground.rows // 5)
    dsn, floor = ground.postgres, f"{name}_floor"
    table = ground.bench.table(name, ground.resources["postgresql"], key=("id",))
    sent = ground.file("upsert", Goods(count, first=there - count // 2, seed=8))
    task = ground.bench.task(name, csv_source(ground.bench.upload(sent)), [save(table, mode="upsert")])
    await dsn.execute(f"CREATE TABLE {name}_before (LIKE {name})")
    floors.copied(dsn, f"{name}_before", ground.file("before", Goods(there, seed=9)))
    await dsn.execute(f"CREATE TABLE {floor} (LIKE {name} INCLUDING ALL)")

    async def again() -> None:
        for each in (name, floor):
            await dsn.execute(f"TRUNCATE {each}", f"INSERT INTO {each} SELECT * FROM {name}_before")
            await dsn.execute(f"VACUUM ANALYZE {each}")
        await dsn.execute("CHECKPOINT")

    return Measures(
        lambda: floors.merged(dsn, floor, sent, key="id"), lambda: ground.bench.run(task), again, count
    )


CASES: Final[Mapping[str, Callable[[Ground, str], Awaitable[Measures]]]] = {
    "csv_postgresql": csv_to_postgresql,
    "csv_postgresql_five_steps": lambda ground, name: csv_to_postgresql(ground, name, steps=FIVE_STEPS),
    "csv_postgresql_bad_rows": lambda ground, name: csv_to_postgresql(ground, name, bad=True),
    "csv_mariadb": csv_to_mariadb,
    "postgresql_postgresql": postgresql_to_postgresql,
    "upsert_postgresql": upsert_to_postgresql,
}


async def measured(ground: Ground, case: str) -> dict[str, Any]:
    """Floor and run by turns, as often as it is worth."""
    measures = await CASES[case](ground, case)
    floor, runs = [], []
    for _ in range(ground.rounds):
        await measures.again()
        floor.append(measures.floor())
        await measures.again()
        runs.append(measures.run())
    wall, least = statistics.median(run.seconds for run in runs), statistics.median(floor)
    return {
        "case": case,
        "rows": measures.rows,
        "wall_s": round(wall, 2),
        "floor_s": round(least, 2),
        "ratio": round(wall / least, 2),
        "rows_per_s": round(measures.rows / wall),
        "rss_mb": max(run.peak_mb for run in runs),
        "rejected": runs[-1].counts["rejected"],
    }


def warmed(ground: Ground) -> None:
    """A run of one row: the process of the data path is there afterwards, as after any run before."""
    table = ground.bench.table("warm", ground.resources["postgresql"], key=())
    sent = ground.bench.upload(ground.file("warm", Goods(1)))
    ground.bench.run(ground.bench.task("warm", csv_source(sent), [save(table)]))


@contextmanager
def penstock(folder: Path) -> Iterator[Bench]:
    """A running Penstock that was told nothing special."""
    with process.running(folder / "var") as running:
        yield Bench(Workshop(owner(running)), running.process.pid)


async def main(counts: Sequence[int], cases: Sequence[str], *, cold: bool) -> None:
    """Measure the cases for each count of rows, with new servers for each count."""
    for rows in counts:
        with (
            tempfile.TemporaryDirectory() as name,
            postgres.running(settings=POSTGRES_DEFAULTS) as first,
            mariadb.running(MARIADB_DEFAULTS) as second,
            penstock(Path(name)) as bench,
        ):
            Path(name).chmod(0o755)
            ground = Ground(
                Path(name), bench, rows, await first.create_database(), await second.create_database()
            )
            for kind, dsn in (("postgresql", ground.postgres), ("mysql", ground.mariadb)):
                access = {"host": dsn.host, "port": dsn.port, "user": dsn.user, "password": dsn.password}
                ground.resources[kind] = bench.resource(
                    kind, {"type": kind, "database": dsn.database, **access}
                )
            if not cold:
                warmed(ground)
            for case in cases:
                print(json.dumps(await measured(ground, case)), flush=True)  # noqa: T201  it is a command


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, action="append", help="How many rows; 1 and 20 million without.")
    parser.add_argument("--case", action="append", choices=tuple(CASES), help="Which cases; all without.")
    parser.add_argument("--cold", action="store_true", help="Let the first run start its own process.")
    given = parser.parse_args()
    asyncio.run(main(given.rows or (1_000_000, 20_000_000), given.case or tuple(CASES), cold=given.cold))
