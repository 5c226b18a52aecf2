"""The kinds of targets, real ones."""

from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr

from services.etl.tables.targets import Target, Targets
from shared.contracts.connection import (
    ConnectionInfo,
    MysqlConnection,
    PostgresqlConnection,
    ResourceConnection,
    SqliteConnection,
)
from shared.identifiers import ResourceId, TenantId
from shared.security.guard import OutboundPolicy
from tests import resources
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn

RESOURCE = ResourceId(UUID("018f0000-0000-7000-8000-0000000000aa"))
TENANT = TenantId(UUID("018f0000-0000-7000-8000-0000000000bb"))


def handed_out(info: ConnectionInfo) -> ResourceConnection:
    return resources.handed_out(info, resource_id=RESOURCE, tenant_id=TENANT)


@pytest.fixture
def targets(tmp_path: Path) -> Targets:
    return Targets(policy=OutboundPolicy(allow_loopback=True), sqlite_root=tmp_path / "sqlite")


@pytest.fixture
def postgresql(postgres_database: Dsn, targets: Targets) -> Target:
    dsn = postgres_database
    info = PostgresqlConnection(
        host=dsn.host,
        port=dsn.port,
        database=dsn.database,
        user=dsn.user,
        password=SecretStr(dsn.password),
        tls="disable",
    )
    return targets.open(handed_out(info))


@pytest.fixture
def mysql(mariadb_database: MariaDsn, targets: Targets) -> Target:
    dsn = mariadb_database
    info = MysqlConnection(
        host=dsn.host, port=dsn.port, user=dsn.user, password=SecretStr(dsn.password), tls="disable"
    )
    return targets.open(handed_out(info))


@pytest.fixture
def sqlite(targets: Targets) -> Target:
    return targets.open(handed_out(SqliteConnection(file="warehouse.db", create=True)))
