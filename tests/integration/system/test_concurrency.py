"""Sixty writers at once on System's own operations: nothing is lost, nothing is 'locked'."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from services.system import keys
from services.system.audit.models import AuditEntry
from services.system.audit.repository import PLATFORM
from services.system.models import OutboxMessage
from services.system.resources.handing import Handing
from services.system.resources.models import Resource
from services.system.resources.schemas import ResourceChange, ResourceCreate, ResourceView
from services.system.resources.service import ResourceService
from services.system.secrets.service import Vault
from services.system.sessions import throttle
from services.system.sessions.guarding import Guarding
from services.system.sessions.logins import _refused
from services.system.sessions.models import LoginCounter
from services.system.settings import SystemSettings
from services.system.tenants.schemas import TenantCreate
from services.system.tenants.service import TenantService
from shared.contracts.connection import ConnectionRequest, PostgresqlConnection
from shared.contracts.identity import TenantScope
from shared.db import migrations
from shared.db.session import Database
from shared.errors import VersionOutdated
from shared.identifiers import TenantId
from tests.servers.postgres import Dsn

from .conftest import settings_in

WRITERS = 60


class Installation:
    """The services of System around one database, and a tenant in it."""

    def __init__(self, database: Database, settings: SystemSettings) -> None:
        self.database = database
        vault = Vault(keys.master_keys(settings))
        self.tenants = TenantService(database, vault)
        self.resources = ResourceService(database, vault)
        self.handing = Handing(database, vault)
        self.scope = TenantScope(TenantId(uuid4()))

    async def begin(self) -> "Installation":
        tenant = await self.tenants.create(TenantCreate(slug="one", name="One"), PLATFORM)
        self.scope = TenantScope(TenantId(tenant.id))
        return self

    async def new_resource(self, name: str) -> ResourceView:
        connection = PostgresqlConnection.model_validate({"host": "db", "user": "u", "password": "p"})
        wanted = ResourceCreate(name=name, connection=connection)
        return await self.resources.create(self.scope, wanted, PLATFORM)

    async def count(self, model: type) -> int:
        async with self.database.read() as session:
            found: int = await session.scalar(sa.select(sa.func.count()).select_from(model))
            return found


@pytest.fixture
async def on_sqlite(settings: SystemSettings, database: Database) -> Installation:
    return await Installation(database, settings).begin()


@pytest.fixture
async def on_postgresql(postgres_database: Dsn, tmp_path: Path) -> AsyncIterator[Installation]:
    settings = settings_in(tmp_path, system_database_url=postgres_database.url)
    await asyncio.to_thread(migrations.upgrade, settings.database_url, "system")
    database = Database(settings.database_url)
    yield await Installation(database, settings).begin()
    await database.close()


@pytest.fixture(params=["on_sqlite", pytest.param("on_postgresql", marks=pytest.mark.postgres)])
def installation(request: pytest.FixtureRequest) -> Installation:
    found: Installation = request.getfixturevalue(request.param)
    return found


async def test_every_resource_is_stored_numbered_audited_and_announced(installation: Installation) -> None:
    before = await installation.count(AuditEntry)
    await asyncio.gather(*(installation.new_resource(f"r{number}") for number in range(WRITERS)))
    async with installation.database.read() as session:
        numbers = sorted(await session.scalars(sa.select(Resource.change_number)))
    assert numbers == list(range(1, WRITERS + 1))
    assert await installation.count(AuditEntry) == before + WRITERS
    assert await installation.count(OutboxMessage) == WRITERS


async def test_changes_of_one_resource_happen_one_after_the_other(installation: Installation) -> None:
    made = await installation.new_resource("shared")

    async def change_until_it_works(number: int) -> None:
        while True:
            seen = await installation.resources.get(installation.scope, made.id)
            wanted = ResourceChange(description=f"{seen.description}{number},")
            try:
                await installation.resources.change(
                    installation.scope, made.id, wanted, version=seen.version, actor=PLATFORM
                )
            except VersionOutdated:
                continue
            return

    await asyncio.gather(*(change_until_it_works(number) for number in range(20)))
    last = await installation.resources.get(installation.scope, made.id)
    assert last.version == 21
    assert sorted(last.description.rstrip(",").split(",")) == sorted(map(str, range(20)))


async def test_every_hand_out_is_audited(installation: Installation) -> None:
    made = await installation.new_resource("shared")
    asked = ConnectionRequest(tenant_id=installation.scope.tenant_id, purpose="run")
    before = await installation.count(AuditEntry)
    handed = await asyncio.gather(
        *(installation.handing.hand_out(made.id, asked, PLATFORM) for _ in range(WRITERS))
    )
    assert len(handed) == WRITERS
    assert await installation.count(AuditEntry) == before + WRITERS


async def test_every_failed_login_is_counted(installation: Installation) -> None:
    guarding = Guarding(installation.database)
    attempt = throttle.Attempt("one/ann", "192.0.2.7")
    await asyncio.gather(
        *(guarding.failed(attempt, PLATFORM, _refused(None)) for _ in range(WRITERS)),
    )
    async with installation.database.read() as session:
        failures = list(await session.scalars(sa.select(LoginCounter.failures)))
    assert failures == [WRITERS] * 3


async def test_tenants_with_one_slug_become_one_with_one_key(installation: Installation) -> None:
    wanted = TenantCreate(slug="two", name="Two")
    made = await asyncio.gather(
        *(installation.tenants.create(wanted, PLATFORM) for _ in range(WRITERS)), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in made) == 1
    assert {type(one).__name__ for one in made} == {"Tenant", "TenantSlugTaken"}
