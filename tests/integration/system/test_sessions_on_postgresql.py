"""The whole application on PostgreSQL, where writers really run side by side."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from services.system.app import PREFIX, build_app
from services.system.bootstrap import prepare
from services.system.settings import SystemSettings
from shared.db import migrations
from shared.http.app import build_root
from shared.http.server import serving
from tests.api.system.driver import System
from tests.servers.postgres import Dsn

from .conftest import settings_in

pytestmark = pytest.mark.postgres


@pytest.fixture
async def system(postgres_database: Dsn, tmp_path: Path) -> AsyncIterator[System]:
    settings: SystemSettings = settings_in(tmp_path, system_database_url=postgres_database.url)
    await asyncio.to_thread(migrations.upgrade, settings.database_url, "system")
    await asyncio.gather(prepare(settings), prepare(settings))
    async with (
        serving(build_root(build_app(settings))) as (host, port),
        aiohttp.ClientSession() as http,
    ):
        yield System(settings, f"http://{host}:{port}{PREFIX}", http)


async def test_twenty_refreshes_at_once_give_one_successor(system: System) -> None:
    owner = await system.owner()
    answers = await asyncio.gather(
        *(system.ask_token(grant_type="refresh_token", refresh_token=owner.refresh_token) for _ in range(20))
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1


async def test_owners_who_demote_each_other_at_once_leave_one(system: System) -> None:
    one = await system.new_tenant("one")
    other = await system.new_user("olga", ["owner"], one.slug, one.id)
    answers = await asyncio.gather(
        other.patch(f"/users/{one.owner.id}", {"roles": ["viewer"]}),
        one.owner.patch(f"/users/{other.id}", {"roles": ["viewer"]}),
    )
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) == 1, statuses


async def test_fifty_resources_with_one_name_become_one(system: System) -> None:
    one = await system.new_tenant("one")
    wanted = {"name": "shop", "connection": {"type": "sqlite", "file": "shop.db"}}
    answers = await asyncio.gather(*(one.owner.post("/resources", wanted) for _ in range(50)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 49


async def test_a_resource_lives_and_is_handed_out(system: System) -> None:
    one = await system.new_tenant("one")
    resource = await one.owner.new_resource()
    changed = await one.owner.patch(f"/resources/{resource['id']}", {"description": "new"})
    assert changed.json["version"] == 2
    service = await system.service()
    asked = {"tenant_id": one.id, "purpose": "scan"}
    assert (await service.post(f"/internal/resources/{resource['id']}/connection", asked)).status == 200
    listed = (await service.get("/internal/resources")).json["items"]
    assert [item["name"] for item in listed][-1] == resource["name"]
    assert (await one.owner.get("/audit")).status == 200
