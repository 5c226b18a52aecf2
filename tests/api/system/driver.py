"""A running System and people who use it, for tests that speak HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from multidict import CIMultiDictProxy

from services.system.settings import SystemSettings

Json = Any
POSTGRESQL: dict[str, Any] = {
    "type": "postgresql",
    "host": "db.example",
    "user": "reader",
    "password": "a secret of the tests",
    "tls": "require",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def json(self) -> Json:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        """The code of a problem document."""
        assert self.headers["Content-Type"].startswith("application/problem+json"), self
        code: str = self.json["code"]
        return code

    @property
    def places(self) -> list[str]:
        """The places of a problem's faults, dotted."""
        return [".".join(map(str, fault["loc"])) for fault in self.json["errors"]]


@dataclass
class System:
    """System on a socket. `heard` collects every answer it has given."""

    settings: SystemSettings
    base: str
    http: aiohttp.ClientSession
    log: Any = None
    heard: list[str] = field(default_factory=list)

    async def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        data: Any = None,
    ) -> Answer:
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.http.request(
            method, self.base + path, json=body, data=data, headers=sent | (headers or {})
        ) as response:
            answer = Answer(response.status, response.headers, await response.text())
        self.heard.append(answer.text + str(answer.headers))
        return answer

    async def ask_token(self, **fields: str) -> Answer:
        return await self.call("POST", "/oauth/token", data=fields)

    async def log_in(self, username: str, password: str, tenant: str | None = None) -> Person:
        fields = {"grant_type": "password", "username": username, "password": password}
        answer = await self.ask_token(**fields | ({"tenant": tenant} if tenant else {}))
        assert answer.status == 200, answer
        return Person(self, answer.json["access_token"], answer.json["refresh_token"])

    def first_password(self, username: str) -> str:
        lines = self.settings.first_passwords.read_text().splitlines()
        return next(line.split(" / ")[1] for line in lines if f": {username} / " in line)

    async def administrator(self) -> Person:
        return await self.log_in("admin", self.first_password("admin"))

    async def owner(self) -> Person:
        return await self.log_in("owner", self.first_password("owner"), "default")

    async def service(self, name: str = "etl") -> Person:
        secret = (self.settings.secrets_folder / f"client-{name}").read_text().strip()
        answer = await self.ask_token(grant_type="client_credentials", client_id=name, client_secret=secret)
        assert answer.status == 200, answer
        return Person(self, answer.json["access_token"], "")

    async def new_tenant(self, slug: str | None = None) -> Tenant:
        slug = slug or f"t-{uuid4().hex[:12]}"
        administrator = await self.administrator()
        made = await administrator.post("/tenants", {"slug": slug, "name": slug.title()})
        assert made.status == 201, made
        tenant_id = made.json["id"]
        return Tenant(slug, tenant_id, await self.new_user("boss", ["owner"], slug, tenant_id))

    async def new_user(self, username: str, roles: list[str], slug: str, tenant_id: str) -> Person:
        administrator = await self.administrator()
        password = f"{uuid4()}"
        made = await administrator.post(
            "/users",
            {"username": username, "password": password, "roles": roles, "tenant_id": tenant_id},
        )
        assert made.status == 201, made
        person = await self.log_in(username, password, slug)
        person.id, person.password = made.json["id"], password
        return person


@dataclass
class Person:
    """Somebody with a token."""

    system: System
    token: str
    refresh_token: str
    id: str = ""
    password: str = ""

    async def get(self, path: str) -> Answer:
        return await self.system.call("GET", path, token=self.token)

    async def post(self, path: str, body: Json = None) -> Answer:
        return await self.system.call("POST", path, body, token=self.token)

    async def patch(self, path: str, body: Json, *, version: int = 1) -> Answer:
        return await self.system.call(
            "PATCH", path, body, token=self.token, headers={"If-Match": f'"{version}"'}
        )

    async def delete(self, path: str, *, version: int = 1) -> Answer:
        return await self.system.call("DELETE", path, token=self.token, headers={"If-Match": f'"{version}"'})

    async def new_resource(self, **connection: Any) -> Json:
        """A PostgreSQL resource, its connection changed as told."""
        wanted = {"name": f"r-{uuid4().hex[:8]}", "connection": POSTGRESQL | connection}
        made = await self.post("/resources", wanted)
        assert made.status == 201, made
        return made.json


@dataclass
class Tenant:
    slug: str
    id: str
    owner: Person
