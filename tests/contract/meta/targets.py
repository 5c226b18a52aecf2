"""Servers and files that the scanner suites scan, and how a resource that points at them looks."""

import asyncio
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from services.meta.scanners._base import Scanner, Surroundings
from services.meta.scanners.mysql import MysqlScanner
from services.meta.scanners.postgresql import PostgresqlScanner
from services.meta.scanners.sqlite import SqliteScanner
from shared.contracts.connection import (
    ConnectionInfo,
    MysqlConnection,
    PostgresqlConnection,
    ResourceConnection,
    SqliteConnection,
)
from shared.security.guard import OutboundPolicy
from tests.resources import handed_out
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

LOOPBACK = OutboundPolicy(allow_loopback=True)


def resource(connection: ConnectionInfo) -> ResourceConnection:
    """What System would hand out for a connection."""
    return handed_out(connection, tenant_folder="acme")


@dataclass
class SqliteTarget:
    """A file below a root of its own."""

    root: Path
    database: str = "main"
    schema: str = "main"

    @property
    def path(self) -> Path:
        return self.root / "acme" / "shop.db"

    async def run(self, *statements: str) -> None:
        await asyncio.to_thread(self._run, statements)

    def _run(self, statements: tuple[str, ...]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            for statement in statements or ("PRAGMA user_version = 1",):
                connection.execute(statement)
        finally:
            connection.close()

    def scanner(self, *, unit_tables: int = 500, wrong: bool = False) -> Scanner:
        name = "missing.db" if wrong else "shop.db"
        surroundings = Surroundings(LOOPBACK, sqlite_root=self.root, unit_tables=unit_tables)
        return SqliteScanner(resource(SqliteConnection(file=name)), surroundings)


@dataclass
class PostgresqlTarget:
    """One database of the private server."""

    dsn: Dsn
    schema: str = "public"
    user: str | None = None
    password: str | None = None
    surroundings: Surroundings = field(default_factory=lambda: Surroundings(LOOPBACK))

    @property
    def database(self) -> str:
        return self.dsn.database

    async def run(self, *statements: str) -> None:
        await self.dsn.execute(*statements)

    def connection(self, *, port: int | None = None) -> PostgresqlConnection:
        return PostgresqlConnection(
            host=self.dsn.host,
            port=port or self.dsn.port,
            database=self.dsn.database,
            user=self.user or self.dsn.user,
            password=SecretStr(self.password or self.dsn.password),
        )

    def scanner(self, *, unit_tables: int = 500, wrong: bool = False) -> PostgresqlScanner:
        surroundings = Surroundings(LOOPBACK, unit_tables=unit_tables)
        return PostgresqlScanner(resource(self.connection(port=1 if wrong else None)), surroundings)


@dataclass
class MysqlTarget:
    """One database of the private MariaDB; it is its own schema."""

    dsn: MariaDsn
    user: str | None = None
    password: str | None = None

    @property
    def database(self) -> str:
        return self.dsn.database

    @property
    def schema(self) -> str:
        return self.dsn.database

    async def run(self, *statements: str) -> None:
        """Run statements that quote names as the standard says."""
        await self.dsn.execute("SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')", *statements)

    def connection(self, *, port: int | None = None) -> MysqlConnection:
        return MysqlConnection(
            host=self.dsn.host,
            port=port or self.dsn.port,
            user=self.user or self.dsn.user,
            password=SecretStr(self.password or self.dsn.password),
        )

    def scanner(self, *, unit_tables: int = 500, wrong: bool = False) -> MysqlScanner:
        surroundings = Surroundings(LOOPBACK, unit_tables=unit_tables)
        return MysqlScanner(resource(self.connection(port=1 if wrong else None)), surroundings)
