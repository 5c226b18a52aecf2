"""A private PostgreSQL: a cluster of its own in a temporary folder, on loopback, on a free port."""

import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from tests.servers.private import Account, Guarded, ServerFailed, find_program, free_port

START_SECONDS = 30.0
ATTEMPTS = 5
SUPERUSER = "penstock_tests"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "log_min_messages": "warning",
}
STATUS_LINE = 7
"""The line of postmaster.pid, counted from zero, that says whether the server takes connections."""


@dataclass(frozen=True)
class Dsn:
    """Where one database is and who may enter."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy on asyncpg."""
        return f"postgresql+asyncpg://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    async def connect(self) -> Any:
        """A plain asyncpg connection, for arranging and checking."""
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database,
            timeout=10,
        )

    async def execute(self, *statements: str) -> None:
        """Run statements one after the other, each in its own transaction."""
        connection = await self.connect()
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def fetch(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        connection = await self.connect()
        try:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def create_database(self) -> "Dsn":
        """A new empty database of the same server."""
        name = f"test_{secrets.token_hex(6)}"
        await self.execute(f'CREATE DATABASE "{name}"')
        return replace(self, database=name)

    async def drop_database(self, dsn: "Dsn") -> None:
        """Remove a database, whoever may still be connected to it."""
        await self.execute(f'DROP DATABASE "{dsn.database}" WITH (FORCE)')


@contextmanager
def running(port: int | None = None, settings: Mapping[str, str] | None = None) -> Iterator[Dsn]:
    """A new cluster until the end of the block, or of this process; on a port that is given or free.

    `settings` go before those of tests, which favour speed over what a crash leaves.
    """
    programs = find_program("postgres", *_installed()).parent
    password = secrets.token_hex(16)
    server, port = _started(programs, password, port, SETTINGS | dict(settings or {}))
    try:
        yield Dsn("127.0.0.1", port, SUPERUSER, password, "postgres")
    finally:
        server.stop()


def _installed() -> list[Path]:
    """The folders where Debian keeps the servers' programs, oldest version first."""
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(found, key=lambda folder: float(folder.parent.name))


def _started(
    programs: Path, password: str, wanted: int | None, settings: Mapping[str, str]
) -> tuple[Guarded, int]:
    """Another process may take the free port before the server does: then all is tried again."""
    printed = ""
    for _ in range(ATTEMPTS):
        account = Account.unprivileged()
        folder = account.folder("penstock-postgres-")
        _initialise(programs, account, folder, password)
        port = wanted or free_port()
        server = account.guarded(
            _command(programs, folder, port, settings), folder=folder, stop_signal=signal.SIGINT
        )
        if _ready(server, folder / "data" / "postmaster.pid"):
            return server, port
        printed = server.printed()
        server.stop()
    raise ServerFailed(printed)


def _initialise(programs: Path, account: Account, folder: Path, password: str) -> None:
    secret = folder / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # the folder is the account's alone
    command = [str(programs / "initdb"), "--pgdata", str(folder / "data"), "--username", SUPERUSER]
    command += ["--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"]
    command += ["--locale", "C.UTF-8", "--no-sync"]
    account.run(command, folder=folder)
    secret.unlink()


def _command(programs: Path, folder: Path, port: int, settings: Mapping[str, str]) -> list[str]:
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


def _ready(server: Guarded, pid_file: Path) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.alive():
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        if len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready":
            return True
        time.sleep(0.02)
    return False
