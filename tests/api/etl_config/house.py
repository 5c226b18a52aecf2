"""The ETL service on a socket beside a fake System, and the requests that tests send to it."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from services.etl.app import PREFIX, build_app
from services.etl.settings import EtlSettings
from shared.bus.memory import MemoryBus
from shared.bus.topology import TOPOLOGY
from shared.contracts.connection import SqliteConnection
from shared.contracts.scopes import SCOPES
from shared.http.app import build_root
from shared.http.server import serving
from shared.identifiers import TenantId, uuid7
from tests.api.etl_config.fake_meta import FakeMeta
from tests.api.meta import fake_system
from tests.api.meta.fake_system import FakeSystem

CSV = b"carrier,flight,fare\nAA,1,10.50\nUA,2,\n"
COLUMNS: list[dict[str, Any]] = [
    {"name": "carrier", "type": "varchar(2)", "nullable": False},
    {"name": "flight", "type": "int32", "nullable": False},
    {"name": "fare", "type": "decimal(9,2)", "comment": "In dollars."},
]


@dataclass
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: Any

    @property
    def places(self) -> list[str]:
        """The places of a problem's faults, dotted."""
        return [".".join(map(str, fault["loc"])) for fault in self.body["errors"]]

    def problem(self) -> tuple[int, str]:
        """The status and code of a problem."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        return self.status, self.body["code"]


@dataclass
class House:
    """A running ETL service; `tenant` is the one that asks unless a test says otherwise."""

    url: str
    system: FakeSystem
    session: aiohttp.ClientSession
    settings: EtlSettings
    tenant: TenantId
    meta: FakeMeta

    def headers(self, tenant: TenantId | None = None) -> dict[str, str]:
        """The headers of somebody with every scope."""
        token = self.system.token(tenant or self.tenant, scopes=list(SCOPES))
        return {"Authorization": f"Bearer {token}"}

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        data: Any = None,
        tenant: TenantId | None = None,
        version: int | None = None,
        headers: dict[str, str] | None = None,
        expect: int | None = None,
    ) -> Answer:
        """Send a request; `version` goes into If-Match."""
        given = {**self.headers(tenant), **(headers or {})}
        if version is not None:
            given["If-Match"] = f'"{version}"'
        if data is not None:
            given.setdefault("Content-Type", "application/octet-stream")
            data = io.BytesIO(data) if isinstance(data, bytes) else data
        async with self.session.request(
            method, f"{self.url}{path}", json=body, data=data, headers=given
        ) as response:
            text = await response.text()
            answer = Answer(response.status, json.loads(text) if text else None, response.headers)
        assert expect is None or answer.status == expect, answer
        return answer

    async def warehouse(self, tenant: TenantId | None = None) -> str:
        """A new SQLite resource."""
        info = SqliteConnection(file=f"{uuid7()}.db", create=True)
        return str(await self.system.create(tenant or self.tenant, info, told=False))

    async def file(self, content: bytes = CSV, *, tenant: TenantId | None = None) -> Any:
        """A file that is ready."""
        given = {"name": "flights.csv", "size": len(content)}
        made = (await self.call("POST", "/files", body=given, tenant=tenant, expect=201)).body
        path = f"/files/{made['id']}/content"
        return (await self.call("PUT", path, data=content, tenant=tenant, expect=200)).body

    async def draft(self, *, tenant: TenantId | None = None, **changes: Any) -> Any:
        """A data table that is a draft."""
        body = {
            "display_name": "Flights",
            "resource_id": changes.pop("resource_id", None) or await self.warehouse(tenant),
            "physical_name": "flights",
            "columns": COLUMNS,
            "primary_key": ["carrier", "flight"],
        }
        answer = await self.call("POST", "/data-tables", body=body | changes, tenant=tenant, expect=201)
        return answer.body

    async def plan(self, table: Any) -> Any:
        """The plan of a data table."""
        return (await self.call("POST", f"/data-tables/{table['id']}/plan", expect=200)).body

    async def publish(self, table: Any) -> Any:
        """Plan and publish."""
        body = {"plan_hash": (await self.plan(table))["plan_hash"]}
        return (await self.call("POST", f"/data-tables/{table['id']}/publish", body=body, expect=200)).body

    def pipeline(self, table: Any, file: Any, **changes: Any) -> dict[str, Any]:
        """A pipeline that fills the table from the file."""
        columns = [{"name": name, "type": "text"} for name in ("carrier", "flight", "fare")]
        casts = [{"column": "flight", "type": "int32"}, {"column": "fare", "type": "decimal(9,2)"}]
        return {
            "source": {"loader": "csv", "params": {"file_id": file["id"], "columns": columns}},
            "steps": [
                {"step": "cast_types", "params": {"columns": casts}},
                {"step": "database_save", "params": {"table_id": table["id"], "mode": "upsert"}},
            ],
        } | changes

    async def task(self, **changes: Any) -> Any:
        """A task with a data table and a file of its own."""
        table, file = await self.draft(), await self.file()
        body = {"name": f"Task {table['id']}", **self.pipeline(table, file)} | changes
        return (await self.call("POST", "/tasks", body=body, expect=201)).body


@asynccontextmanager
async def running(folder: Path, database_url: str, **settings: Any) -> AsyncIterator[House]:
    """A house on a migrated database, with SQLite resources below `folder`/sqlite."""
    bus = MemoryBus()
    await bus.declare(TOPOLOGY)
    system, meta = FakeSystem(bus), FakeMeta()
    others = system.app()
    meta.serve(others)
    async with serving(others) as (host, port):
        made = EtlSettings(
            var=folder,
            etl_database_url=database_url,
            etl_client_secret=SecretStr("etl-secret"),
            system_url=f"http://{host}:{port}{fake_system.PREFIX}",
            meta_url=f"http://{host}:{port}",
            sqlite_root=folder / "sqlite",
            outbound_allow_loopback=True,
            **({"runner": False} | settings),
        )
        async with (
            serving(build_root(build_app(made, bus=bus))) as (own_host, own_port),
            aiohttp.ClientSession() as session,
        ):
            yield House(
                f"http://{own_host}:{own_port}{PREFIX}", system, session, made, TenantId(uuid7()), meta
            )
    await bus.close()
