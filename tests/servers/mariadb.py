"""A private MariaDB: a data folder of its own in a temporary folder, on loopback, on a free port."""

import secrets
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiomysql
from pymysql.err import OperationalError

from tests.servers.certificates import self_signed
from tests.servers.private import Account, Guarded, ServerFailed, find_program, free_port

START_SECONDS = 30.0
ATTEMPTS = 5
SUPERUSER = "penstock_tests"
SETTINGS = {
    "bind-address": "127.0.0.1",
    "skip-name-resolve": "1",
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "32M",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
    "innodb-fast-shutdown": "2",
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "8M",
    "performance-schema": "0",
    "character-set-server": "utf8mb4",
    "max-connections": "200",
}
ACCOUNTS = """
CREATE USER '{name}'@'%' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO '{name}'@'%' WITH GRANT OPTION;
DELETE FROM mysql.global_priv WHERE user NOT IN ('{name}', 'mariadb.sys');
FLUSH PRIVILEGES;
"""


@dataclass(frozen=True)
class MariaDsn:
    """Where one database is and who may enter; `certificate` is the file of the server's own."""

    host: str
    port: int
    user: str
    password: str
    database: str
    certificate: Path

    async def connect(self) -> Any:
        """A plain aiomysql connection in autocommit mode, for arranging and checking."""
        return await aiomysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            db=self.database or None,
            charset="utf8mb4",
            autocommit=True,
        )

    async def execute(self, *statements: str) -> None:
        """Run statements one after the other, each in its own transaction."""
        connection = await self.connect()
        try:
            async with connection.cursor() as cursor:
                for statement in statements:
                    await cursor.execute(statement)
        finally:
            connection.close()

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of a query; its parameters are %s."""
        connection = await self.connect()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(query, arguments or None)
                return list(await cursor.fetchall())
        finally:
            connection.close()

    async def create_database(self) -> "MariaDsn":
        """A new empty database of the same server."""
        name = f"test_{secrets.token_hex(6)}"
        await self.execute(f"CREATE DATABASE `{name}`")
        return replace(self, database=name)

    async def drop_database(self, dsn: "MariaDsn") -> None:
        """Remove a database; whoever still works in it is sent away first."""
        working = await self.fetch(
            "SELECT id FROM information_schema.processlist WHERE db = %s", dsn.database
        )
        for (number,) in working:
            with suppress(OperationalError):  # it has gone by itself
                await self.execute(f"KILL SOFT {number}")
        await self.execute(f"DROP DATABASE `{dsn.database}`")


@contextmanager
def running(settings: Mapping[str, str] | None = None) -> Iterator[MariaDsn]:
    """A new server that runs until the end of the block, or of this process.

    `settings` go before those of tests, which favour speed over what a crash leaves.
    """
    programs = (
        find_program("mariadb-install-db", Path("/usr/bin")),
        find_program("mariadbd", Path("/usr/sbin")),
    )
    password = secrets.token_hex(16)
    server, folder, port = _started(*programs, password, SETTINGS | dict(settings or {}))
    try:
        yield MariaDsn("127.0.0.1", port, SUPERUSER, password, "", folder / "certificate.pem")
    finally:
        server.stop()


def _started(
    install: Path, program: Path, password: str, settings: Mapping[str, str]
) -> tuple[Guarded, Path, int]:
    """Another process may take the free port before the server does: then all is tried again."""
    printed = ""
    for _ in range(ATTEMPTS):
        account = Account.unprivileged()
        folder = account.folder("penstock-mariadb-")
        _initialise(install, account, folder, password)
        port = free_port()
        command = [*_command(program, folder, settings), f"--port={port}"]
        server = account.guarded(command, folder=folder, stop_signal=signal.SIGTERM)
        if _ready(server, folder / "pid", port):
            (folder / "accounts.sql").unlink()
            return server, folder, port
        printed = server.printed()
        server.stop()
    raise ServerFailed(printed)


def _initialise(install: Path, account: Account, folder: Path, password: str) -> None:
    accounts = ACCOUNTS.format(name=SUPERUSER, password=password).strip()
    (folder / "accounts.sql").write_text("\n".join(accounts.splitlines()))
    certificate, key = self_signed("localhost")
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    for file in folder.iterdir():
        file.chmod(0o644)  # the folder is the account's alone
    command = [str(install), "--no-defaults", f"--datadir={folder / 'data'}", "--skip-test-db"]
    command += ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
    account.run(command, folder=folder)


def _command(program: Path, folder: Path, given: Mapping[str, str]) -> list[str]:
    own = {
        "datadir": folder / "data",
        "socket": folder / "socket",
        "pid-file": folder / "pid",
        "tmpdir": folder,
        "init-file": folder / "accounts.sql",
        "ssl-cert": folder / "certificate.pem",
        "ssl-key": folder / "key.pem",
    }
    settings = dict(given) | {name: str(value) for name, value in own.items()}
    return [str(program), "--no-defaults", *(f"--{name}={value}" for name, value in settings.items())]


def _ready(server: Guarded, pid_file: Path, port: int) -> bool:
    """The pid file is written, and a greeting sent, after the file of accounts was run."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.alive():
        if pid_file.exists() and _greets(port):
            return True
        time.sleep(0.02)
    return False


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            return bool(probe.recv(1))
    except OSError:
        return False
