"""Floors: what the databases' own clients need for the same rows, in seconds of wall time.

The tables are there, empty; the files are ready. Each is one command of a client as people use it.
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.benchmarks.goods import TYPES
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn
from tests.servers.private import find_program

_POSTGRES_PROGRAMS: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def copied(dsn: Dsn, table: str, path: Path) -> float:
    """`\\copy` of a CSV file by psql."""
    return _timed(dsn, f"\\copy {table} from '{path}' with (format csv, header)")


def merged(dsn: Dsn, table: str, path: Path, *, key: str) -> float:
    """`\\copy` into a temporary table, then one INSERT .. ON CONFLICT, in one transaction by psql."""
    changed = ", ".join(f"{name} = excluded.{name}" for name in TYPES if name != key)
    return _timed(
        dsn,
        "BEGIN",
        f"CREATE TEMP TABLE stage (LIKE {table}) ON COMMIT DROP",
        f"\\copy stage from '{path}' with (format csv, header)",
        f"INSERT INTO {table} SELECT * FROM stage ON CONFLICT ({key}) DO UPDATE SET {changed}",
        "COMMIT",
    )


def piped(dsn: Dsn, source: str, target: str) -> float:
    """COPY in binary from one psql into another."""
    started = time.perf_counter()
    with subprocess.Popen(
        [*_psql(dsn), "-c", f"COPY {source} TO STDOUT (FORMAT binary)"],
        env=_environment(dsn),
        stdout=subprocess.PIPE,
    ) as reader:
        subprocess.run(
            [*_psql(dsn), "-c", f"COPY {target} FROM STDIN (FORMAT binary)"],
            env=_environment(dsn),
            stdin=reader.stdout,
            check=True,
        )
    assert reader.returncode == 0
    return time.perf_counter() - started


def loaded(dsn: MariaDsn, table: str, path: Path) -> float:
    """LOAD DATA LOCAL of prepared text by MariaDB's client, in one transaction."""
    command = [str(find_program("mariadb")), "--no-defaults", f"--host={dsn.host}", f"--port={dsn.port}"]
    command += [f"--user={dsn.user}", "--local-infile=1", "--default-character-set=utf8mb4", dsn.database]
    statement = f"SET time_zone = '+00:00'; LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table}"
    started = time.perf_counter()
    subprocess.run(
        [*command, "--execute", f"{statement} CHARACTER SET utf8mb4"],
        env=os.environ | {"MYSQL_PWD": dsn.password},
        check=True,
    )
    return time.perf_counter() - started


def _timed(dsn: Dsn, *commands: str) -> float:
    command = [*_psql(dsn), "-v", "ON_ERROR_STOP=1"]
    for one in commands:
        command += ["-c", one]
    started = time.perf_counter()
    subprocess.run(command, env=_environment(dsn), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _psql(dsn: Dsn) -> list[str]:
    # Debian's own wrapper of that name, which comes first on the path, is another program.
    programs = [folder / "psql" for folder in _POSTGRES_PROGRAMS if (folder / "psql").exists()]
    program = str(programs[-1] if programs else find_program("psql"))
    place = ["-h", dsn.host, "-p", str(dsn.port), "-U", dsn.user, "-d", dsn.database]
    return [program, "--no-psqlrc", "-q", *place]


def _environment(dsn: Dsn) -> dict[str, str]:
    return os.environ | {"PGPASSWORD": dsn.password}
