import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.meta.datasources.tracking import Tracking
from services.meta.sync.notices import Notices
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.contracts.connection import ResourceSummary
from shared.db import migrations
from shared.db.session import Database
from shared.identifiers import ResourceId, TenantId, uuid7
from tests.integration.meta.bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A migrated database with one queued sync, and a bus."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'meta.db'}"
    await asyncio.to_thread(migrations.upgrade, url, "meta")
    database, bus, notices = Database(url), MemoryBus(), Notices()
    await bus.declare(TOPOLOGY)
    tenant = TenantId(uuid7())
    await Tracking(database, {"sqlite"}, notices=notices).apply(
        ResourceSummary(
            resource_id=ResourceId(uuid7()), tenant_id=tenant, resource_type="sqlite", name="shop", version=1
        )
    )
    yield Bench(database, bus, notices, tenant)
    await bus.close()
    await database.close()
