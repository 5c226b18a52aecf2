"""How fast a database of MariaDB is scanned, against the least that its own client needs for the same facts.

`python -m tests.benchmarks.scan --tables 500` makes the tables in a private server and then measures, in
the same run and each a few times: the floor (the `mariadb` client asking each view of information_schema
once for the whole database), and our scan as the owner, as a user that may read the database, and as one
that was granted the tables one by one. It prints one JSON line for each. Only the ratios compare across
machines.
"""

import argparse
import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

from services.meta.scanners import _mysql_catalog as catalog
from services.meta.scanners._model import TableFilter, Unit
from shared.engines.mysql import Server
from tests.contract.meta.targets import MysqlTarget
from tests.servers import mariadb
from tests.servers.private import environment, find_program

ROUNDS = 5
COLUMNS = 10


def statements(count: int) -> Iterator[str]:
    """Tables with keys, checks, JSON, comments and every third a foreign key; a view for each twenty."""
    columns = ", ".join(f"c{n} VARCHAR(50) DEFAULT 'x{n}' COMMENT 'column {n}'" for n in range(COLUMNS))
    for number in range(count):
        key = f", FOREIGN KEY (parent) REFERENCES t{number - 1:05} (id)" if number % 3 == 2 else ""
        yield (
            f"CREATE TABLE t{number:05} (id INTEGER PRIMARY KEY AUTO_INCREMENT, parent INTEGER, j JSON,"
            f" amount DECIMAL(12, 2) NOT NULL CHECK (amount > 0), {columns}, KEY (c1, c2), UNIQUE (c3){key})"
            f" COMMENT 'table {number}'"
        )
        if number % 20 == 0:
            yield f"CREATE VIEW v{number:05} AS SELECT id, c1 FROM t{number:05}"


def floor(dsn: mariadb.MariaDsn) -> None:
    """Every view once for the whole database, in the server's own client, to nowhere."""
    queries = catalog.queries_for(Server((10, 11, 0), is_mariadb=True))
    asked = [queries.tables, queries.columns, queries.indexes, queries.references]
    asked += [queries.rules, queries.checks, queries.views, queries.partitions]
    text = ";\n".join(
        query.replace("AND BINARY table_name IN %s", "").replace("%s", f"'{dsn.database}'") for query in asked
    )
    command = [str(find_program("mariadb")), "--no-defaults", "--quick", "--skip-column-names"]
    command += [f"--host={dsn.host}", f"--port={dsn.port}", f"--user={dsn.user}"]
    subprocess.run(
        command,
        input=text,
        text=True,
        env=environment() | {"MYSQL_PWD": dsn.password},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )


async def scan(target: MysqlTarget) -> int:
    """The number of tables that a scan yields."""
    async with aclosing(target.scanner().scan(target.database, TableFilter())) as found:
        return sum([len(unit.tables) async for unit in found if isinstance(unit, Unit)])


async def fastest(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the fastest of a few rounds, after one that warms up."""
    await work()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - started)
    return min(taken)


async def measure(server: mariadb.MariaDsn, tables: int) -> None:
    """Make the database, measure, and print."""
    dsn = await server.create_database()
    await dsn.execute(*statements(tables))
    owner = MysqlTarget(dsn)
    users = {"owner": owner}
    for name, place in (("reader", "*"), ("table by table", "{table}")):
        user = name.replace(" ", "_")
        names = [row[0] for row in await dsn.fetch("SHOW TABLES")] if "{" in place else [""]
        grants = (
            f"GRANT SELECT ON `{dsn.database}`.{place.format(table=table)} TO {user}" for table in names
        )
        await dsn.execute(f"CREATE USER {user} IDENTIFIED BY 'bench'", *grants)
        users[name] = MysqlTarget(dsn, user=user, password="bench")
    least = await fastest(lambda: asyncio.to_thread(floor, dsn))
    print(json.dumps({"case": "floor", "tables": tables, "seconds": round(least, 3)}))  # noqa: T201  it is a command
    for name, target in users.items():
        found = await scan(target)
        taken = await fastest(lambda target=target: scan(target))  # type: ignore[misc]  # bound now
        line = {"case": name, "tables": found, "seconds": round(taken, 3), "ratio": round(taken / least, 2)}
        print(json.dumps(line))  # noqa: T201  it is a command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tables", type=int, default=500)
    with mariadb.running() as server:
        asyncio.run(measure(server, parser.parse_args().tables))


if __name__ == "__main__":
    main()
