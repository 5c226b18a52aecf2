"""Meta as a running service beside a fake System, and the requests that tests send to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from pydantic import SecretStr

from services.meta.app import PREFIX, build_app
from services.meta.settings import MetaSettings
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.http.app import build_root
from shared.http.server import serving
from shared.identifiers import TenantId, uuid7
from tests.api.meta import fake_system
from tests.api.meta.fake_system import FakeSystem

on_both_stores = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)
PATIENCE = 20.0
OVER = {"success", "partial", "failed", "cancelled"}


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any


@dataclass
class House:
    """A running Meta; `tenant` is the one that asks unless a test says otherwise."""

    url: str
    system: FakeSystem
    bus: MemoryBus
    session: aiohttp.ClientSession
    settings: MetaSettings
    tenant: TenantId

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        tenant: TenantId | None = None,
        headers: dict[str, str] | None = None,
        **token: Any,
    ) -> Answer:
        """Send a request with a fresh token."""
        bearer = self.system.token(tenant or self.tenant, **token)
        async with self.session.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers={"Authorization": f"Bearer {bearer}", **(headers or {})},
        ) as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else None, response.headers)

    async def items(self, path: str, **options: Any) -> list[Any]:
        """The items of a list's first page."""
        answer = await self.call("GET", path, **options)
        assert answer.status == 200, answer.body
        items: list[Any] = answer.body["items"]
        return items

    async def datasource(self, count: int = 1) -> Any:
        """The first datasource, once there are `count` of them and nothing is being scanned."""

        def ready(found: list[Any]) -> bool:
            return len(found) == count and all(
                each["active_sync_log_id"] is None
                and (not each["is_scannable"] or each["last_sync_at"] is not None)
                for each in found
            )

        return (await self.until(lambda: self.items("/datasources"), ready))[0]

    async def datasource_of(self, resource_id: UUID) -> Any:
        """The datasource of a resource, once level 1 is done."""

        async def look() -> Any:
            found = await self.items("/datasources")
            return next((each for each in found if each["resource_id"] == str(resource_id)), None)

        return await self.until(look, lambda found: found is not None and found["last_sync_at"] is not None)

    async def over(self, sync_log_id: str) -> Any:
        """A sync log, once it is over."""

        async def look() -> Any:
            return (await self.call("GET", f"/sync-logs/{sync_log_id}")).body

        return await self.until(look, lambda log: log["status"] in OVER)

    async def scan(self, datasource_id: str, body: Any = None) -> Any:
        """Scan and wait; the sync log."""
        answer = await self.call("POST", f"/datasources/{datasource_id}/scan", body=body)
        assert answer.status == 202, answer.body
        return await self.over(answer.body["id"])

    async def until(self, look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
        """What `look` gives, once it is good."""
        found: Any = None
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    found = await look()
                    if good(found):
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE} s, last: {found}") from None


@asynccontextmanager
async def running(folder: Path, database_url: str) -> AsyncIterator[House]:
    """A house on a migrated database, with SQLite resources below `folder`/sqlite."""
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    system = FakeSystem(bus)
    async with serving(system.app()) as (host, port):
        settings = MetaSettings(
            var=folder,
            meta_database_url=database_url,
            meta_client_secret=SecretStr("meta-secret"),
            system_url=f"http://{host}:{port}{fake_system.PREFIX}",
            sqlite_root=folder / "sqlite",
            outbound_allow_loopback=True,
            resource_poll_seconds=0.5,
        )
        async with (
            serving(build_root(build_app(settings, bus=bus))) as (own_host, own_port),
            aiohttp.ClientSession() as session,
        ):
            url = f"http://{own_host}:{own_port}{PREFIX}"
            yield House(url, system, bus, session, settings, TenantId(uuid7()))
    await bus.close()
