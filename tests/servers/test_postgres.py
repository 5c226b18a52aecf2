"""The private PostgreSQL itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.servers import postgres

ROOT = Path(__file__).parents[2]
CRASHING = """
import os, sys
from tests.servers import postgres
with postgres.running() as dsn:
    print(dsn.port, flush=True)
    sys.stdin.read()
"""


async def test_a_test_gets_an_empty_database_of_its_own(postgres_database: postgres.Dsn) -> None:
    await postgres_database.execute("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (1), (2)")
    assert await postgres_database.fetch("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
    assert (postgres_database.host, postgres_database.database[:5]) == ("127.0.0.1", "test_")


async def test_the_server_is_not_run_by_root(postgres_server: postgres.Dsn) -> None:
    ((data_directory,),) = await postgres_server.fetch("SHOW data_directory")
    assert Path(data_directory).stat().st_uid != 0


def test_a_killed_test_process_leaves_no_server_behind(postgres_server: postgres.Dsn) -> None:
    tester = subprocess.Popen(
        [sys.executable, "-c", CRASHING], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert tester.stdout is not None
    port = int(tester.stdout.readline())
    assert listening(port)
    os.kill(tester.pid, signal.SIGKILL)
    tester.communicate()
    deadline = time.monotonic() + 15
    while listening(port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listening(port)


def listening(port: int) -> bool:
    return any(c.laddr.port == port and c.status == psutil.CONN_LISTEN for c in psutil.net_connections("tcp"))
