"""A place for each pair, on servers that all pairs share."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from shared.contracts.connection import (
    ConnectionInfo,
    MysqlConnection,
    PostgresqlConnection,
    SqliteConnection,
)
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

from .databases import Database, Resource
from .mysql import MODE, MysqlDatabase
from .postgresql import PostgresqlDatabase
from .sqlite import SqliteDatabase

Room = Callable[[], AbstractAsyncContextManager[Database]]
"""Makes a place for one table, and removes it."""

_numbers = itertools.count()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def postgresql(postgres_server: Dsn) -> AsyncIterator[Room]:
    """Schemas of a private PostgreSQL."""
    dsn = await postgres_server.create_database()
    connection = await dsn.connect()
    await connection.execute("SET timezone = 'UTC'")
    resource = Resource(connected(dsn), Path())

    @asynccontextmanager
    async def room() -> AsyncIterator[Database]:
        schema = f'a "schema" {next(_numbers)}'
        database = PostgresqlDatabase(resource, schema, connection)
        quoted = database.dialect.quote(schema)
        await connection.execute(f"CREATE SCHEMA {quoted}")
        yield database
        await connection.execute(f"DROP SCHEMA {quoted} CASCADE")

    yield room
    await connection.close()
    await postgres_server.drop_database(dsn)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mysql(mariadb_server: MariaDsn) -> AsyncIterator[Room]:
    """Databases of a private MariaDB."""
    connection = await mariadb_server.connect()
    resource = Resource(connected(mariadb_server), Path())

    @asynccontextmanager
    async def room() -> AsyncIterator[Database]:
        schema = f"a `database` {next(_numbers)}"
        database = MysqlDatabase(resource, schema, connection)
        quoted = database.dialect.quote(schema)
        await database.execute(MODE)
        await database.execute(f"CREATE DATABASE {quoted}")
        await database.execute(f"USE {quoted}")
        yield database
        await database.execute(f"DROP DATABASE {quoted}")

    yield room
    connection.close()


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Room:
    """SQLite files."""
    root = tmp_path_factory.mktemp("sqlite")

    @asynccontextmanager
    async def room() -> AsyncIterator[Database]:
        info = SqliteConnection(file=f"pair {next(_numbers)}.db", create=True)
        database = SqliteDatabase(Resource(info, root))
        yield database
        database.file.unlink(missing_ok=True)

    return room


def connected(dsn: Dsn | MariaDsn) -> ConnectionInfo:
    """How the product connects to a private server."""
    known: dict[str, Any] = {"host": dsn.host, "port": dsn.port, "user": dsn.user, "tls": "disable"}
    if isinstance(dsn, MariaDsn):
        return MysqlConnection(password=SecretStr(dsn.password), **known)
    return PostgresqlConnection(password=SecretStr(dsn.password), database=dsn.database, **known)
