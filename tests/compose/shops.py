"""The tenant's databases: Penstock reaches them by their names, the test by published ports."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.compose.engine import Compose
from tests.acceptance.process import wait_for
from tests.servers import mariadb, postgres
from tests.team.scenario import Source
from tests.team.sources import Database, awaited, source

USER = DATABASE = "shop"
PASSWORD = "only-for-a-test"


def sources(compose: Compose) -> list[Source]:
    """A PostgreSQL and a MariaDB that take connections."""
    return [_postgresql(compose), _mariadb(compose)]


def _postgresql(compose: Compose) -> Source:
    dsn = postgres.Dsn("127.0.0.1", _port(compose, "shop-postgres", 5432), USER, PASSWORD, DATABASE)
    return _answering("postgresql", dsn, "shop-postgres", 5432)


def _mariadb(compose: Compose) -> Source:
    port = _port(compose, "shop-mariadb", 3306)
    dsn = mariadb.MariaDsn("127.0.0.1", port, USER, PASSWORD, DATABASE, certificate=Path())
    return _answering("mysql", dsn, "shop-mariadb", 3306)


def _answering(kind: str, server: Database, host: str, port: int) -> Source:
    wait_for(lambda: _takes(lambda: server.fetch("SELECT 1")), what=f"{host} to answer")
    return source(kind, server, host=host, port=port, user=USER, password=PASSWORD, database=DATABASE)


def _takes(ask: Callable[[], Awaitable[object]]) -> bool:
    async def asked() -> object:
        return await ask()

    try:
        return bool(awaited(asked()))
    except Exception:  # noqa: BLE001 - two drivers, and whatever they say means: not yet
        return False


def _port(compose: Compose, service: str, port: int) -> int:
    """The port of this machine that leads to a port of a service."""
    return int(compose.output("port", service, str(port)).strip().rpartition(":")[2])
