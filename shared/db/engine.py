"""Engines for the two dialects, with what each needs to be safe under concurrent writers.

SQLite was measured (60 tasks, 1,800 transactions that read and then write): SQLAlchemy's default loses a
third of the updates without an error, a deferred BEGIN fails with 'database is locked' in most. So the
driver is put into autocommit, a writer begins with BEGIN IMMEDIATE on a pool of one connection, and
readers have a pool of their own. `synchronous` is FULL: in WAL mode NORMAL may lose the last commits on
a power cut, and a commit here has been answered to a client; one fsync for a commit is affordable.
"""

import os
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.config import secrets
from shared.db.types import json_text

Dialect = Literal["sqlite", "postgresql"]

_SUPPORTED = "a database address begins with sqlite+aiosqlite:///<file> or postgresql+asyncpg://"
_POSTGRESQL_PORT = 5432
_LAST_PORT = 65535
_SQLITE_READERS = 5
_POOL_WAIT_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
)


ASYNCPG_ARGUMENTS: dict[str, Any] = {
    "passfile": os.devnull,
    "timeout": _CONNECT_SECONDS,
    "server_settings": {
        "application_name": "penstock",
        "jit": "off",
        "timezone": "UTC",
        # A process that was frozen inside a unit of work must not hold its locks for ever.
        "idle_in_transaction_session_timeout": "15s",
    },
}


def parse(url: str) -> tuple[URL, Dialect]:
    """The parsed address and its dialect; ValueError names what is supported, never the address."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(_SUPPORTED) from None
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed, "sqlite"
    if parsed.drivername == "postgresql+asyncpg":
        return parsed, "postgresql"
    raise ValueError(_SUPPORTED)


def endpoints_of(url: str) -> tuple[str, ...]:
    """`host:port` of each server that we connect to at this address; ValueError as `parse`.

    As the driver is told: SQLAlchemy takes passwords that no parser of URLs does, and hosts behind the `?`.
    """
    parsed, dialect = parse(url)
    if dialect == "sqlite":
        return ()
    try:
        _, told = parsed.get_dialect()().create_connect_args(parsed)
    except ArgumentError:
        raise ValueError("a database address with several hosts names the port of each") from None
    hosts, ports = _listed(told.get("host")), _listed(told.get("port"))
    if any(not 0 < port <= _LAST_PORT for port in ports):
        raise ValueError(f"the port of a database is a number from 1 to {_LAST_PORT}")
    return tuple(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for host, port in zip(hosts, ports or [_POSTGRESQL_PORT] * len(hosts), strict=True)
        if not host.startswith("/")  # a socket of this machine
    )


def create(url: str, *, pool_size: int) -> tuple[AsyncEngine, AsyncEngine]:
    """The engines for writing and for reading; on PostgreSQL they are one."""
    parsed, dialect = parse(url)
    if dialect == "postgresql":
        engine = _postgresql(parsed, pool_size)
        return engine, engine
    return _sqlite(parsed, pool_size=1, writes=True), _sqlite(parsed, pool_size=_SQLITE_READERS, writes=False)


def _postgresql(url: URL, pool_size: int) -> AsyncEngine:
    return create_async_engine(
        with_explicit_password(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        connect_args=ASYNCPG_ARGUMENTS,
        **_common(),
    )


def _sqlite(url: URL, *, pool_size: int, writes: bool) -> AsyncEngine:
    make_private(Path(url.database or ""))
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
        connect_args={"isolation_level": None},
        **_common(),
    )
    begin_with(engine.sync_engine, "BEGIN IMMEDIATE" if writes else "BEGIN")
    pragmas = SQLITE_PRAGMAS if writes else (*SQLITE_PRAGMAS, "PRAGMA query_only = ON")
    prepare_with(engine.sync_engine, pragmas)
    return engine


def with_explicit_password(url: URL) -> URL:
    """The address with a password, if only an empty one: asyncpg must not look for one of its own."""
    return url.set(password=url.password or "")


def make_private(path: Path) -> None:
    """Make a database file that only its owner can read; SQLite gives its mode to the files beside it."""
    secrets.make_private_folder(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def begin_with(engine: Engine, statement: str) -> None:
    """Let every transaction of an SQLite engine in driver autocommit begin with this statement."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def prepare_with(engine: Engine, statements: tuple[str, ...]) -> None:
    """Run these statements on every new connection of an engine."""

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()


def _listed(value: Any) -> list[Any]:
    """What may be missing, one, or several."""
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]


def _common() -> dict[str, Any]:
    return {"hide_parameters": True, "json_serializer": json_text}
