"""Fixtures that more than one suite uses."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers import mariadb, postgres, private, rabbitmq


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Dsn]:
    """A private PostgreSQL of this test process; its superuser and the database `postgres`."""
    try:
        with postgres.running() as dsn:
            yield dsn
    except private.ServerMissing as missing:
        if os.environ.get("PENSTOCK_TESTS_NEED_SERVERS"):
            raise
        pytest.skip(f"{missing} (`make test` installs it where it can)")


@pytest.fixture
async def postgres_database(postgres_server: postgres.Dsn) -> AsyncIterator[postgres.Dsn]:
    """A new empty database of the private PostgreSQL."""
    dsn = await postgres_server.create_database()
    yield dsn
    await postgres_server.drop_database(dsn)


@pytest.fixture(scope="session")
def rabbitmq_server() -> Iterator[rabbitmq.Broker]:
    """A private RabbitMQ of this test process, for tests that don't break it; its virtual host `/`."""
    try:
        with rabbitmq.running() as broker:
            yield broker
    except private.ServerMissing as missing:
        if os.environ.get("PENSTOCK_TESTS_NEED_SERVERS"):
            raise
        pytest.skip(f"{missing} (`make test` installs it where it can)")


@pytest.fixture
async def rabbitmq_vhost(rabbitmq_server: rabbitmq.Broker) -> AsyncIterator[rabbitmq.Broker]:
    """A new empty virtual host of the private RabbitMQ."""
    broker = await rabbitmq_server.create_vhost()
    yield broker
    await rabbitmq_server.drop_vhost(broker)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[mariadb.MariaDsn]:
    """A private MariaDB of this test process; its superuser and no database."""
    try:
        with mariadb.running() as dsn:
            yield dsn
    except private.ServerMissing as missing:
        if os.environ.get("PENSTOCK_TESTS_NEED_SERVERS"):
            raise
        pytest.skip(f"{missing} (`make test` installs it where it can)")


@pytest.fixture
async def mariadb_database(mariadb_server: mariadb.MariaDsn) -> AsyncIterator[mariadb.MariaDsn]:
    """A new empty database of the private MariaDB."""
    dsn = await mariadb_server.create_database()
    yield dsn
    await mariadb_server.drop_database(dsn)
