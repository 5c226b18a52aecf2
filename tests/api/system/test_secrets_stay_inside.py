"""Canaries: secrets that are used in every way, and then looked for everywhere."""

import base64
import sqlite3
from collections.abc import Iterable
from urllib.parse import quote_plus
from uuid import uuid4

from .driver import POSTGRESQL, Person, System, Tenant

CANARY = 'CANARY "pass" & wörd/%'
OTHER = "CANARY-second"


async def use_in_every_way(system: System, one: Tenant) -> None:
    owner = one.owner
    resource = await owner.new_resource(password=CANARY)
    path = f"/resources/{resource['id']}"
    await owner.get(path)
    await owner.get("/resources")
    await owner.patch(path, {"connection": {"host": "evil.example"}})
    await owner.patch(path, {"connection": {"host": "evil.example", "password": OTHER}})
    await owner.patch(path, {"connection": {"password": OTHER, "port": "x"}}, version=2)
    await owner.post(f"{path}/test", {"connection": {"host": "127.0.0.1", "port": 1, "password": CANARY}})
    await owner.post(
        "/resources:test", {"connection": POSTGRESQL | {"host": "127.0.0.1", "password": CANARY}}
    )
    await owner.post("/resources:test", {"connection": POSTGRESQL | {"password": [CANARY]}})
    await owner.post("/resources", {"name": CANARY * 100, "connection": POSTGRESQL | {"password": CANARY}})
    await owner.post("/resources", {"connection": POSTGRESQL | {"password": CANARY, "x": 1}})
    await use_as_password(system, owner, one)
    await owner.delete(path, version=2)


async def use_as_password(system: System, owner: Person, one: Tenant) -> None:
    ann = {"username": "ann", "password": CANARY, "roles": ["viewer"]}
    await owner.post("/users", ann)
    await owner.post("/users", ann)
    await owner.post("/users", ann | {"roles": [CANARY + "x" * 600]})
    for tenant in (one.slug, "nowhere"):
        await system.ask_token(grant_type="password", username="ann", password=CANARY, tenant=tenant)
    await system.ask_token(grant_type="password", username=CANARY, password=CANARY)
    await system.ask_token(grant_type="client_credentials", client_id="etl", client_secret=CANARY)
    await system.ask_token(grant_type="refresh_token", refresh_token=CANARY)
    await system.call("POST", "/oauth/revoke", {"token": CANARY})
    await owner.post("/me/password", {"current_password": CANARY, "new_password": OTHER + CANARY})


def spellings(secret: str) -> Iterable[str]:
    yield secret
    yield secret.encode("unicode_escape").decode()
    yield quote_plus(secret)
    yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield secret.replace('"', '\\"')


def dump(path: str) -> str:
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


async def test_no_secret_is_in_an_answer_a_log_or_the_database(system: System, one: Tenant) -> None:
    await use_in_every_way(system, one)
    stored = dump(str(system.settings.var / "system.db"))
    assert "reader" in stored  # the dump is one of this test's database
    said = "\n".join(system.heard)
    log = system.log.getvalue()
    assert "request" in log
    for secret in (CANARY, OTHER, one.owner.password):
        for spelling in spellings(secret):
            assert spelling not in said.replace(one.owner.token, "")
            assert spelling not in log
            assert spelling not in stored


async def test_tokens_and_keys_are_in_no_log_and_in_no_database(system: System, one: Tenant) -> None:
    service = await system.service("etl")
    resource = await one.owner.new_resource(password=CANARY)
    wanted = {"tenant_id": one.id, "purpose": "run", "subject": str(uuid4())}
    handed = await service.post(f"/internal/resources/{resource['id']}/connection", wanted)
    assert handed.json["connection"]["password"] == CANARY
    await system.ask_token(grant_type="refresh_token", refresh_token=one.owner.refresh_token)
    kept = dump(str(system.settings.var / "system.db")) + system.log.getvalue()
    secrets = [path.read_text().strip() for path in system.settings.secrets_folder.iterdir()]
    for secret in (*secrets, service.token, one.owner.token, one.owner.refresh_token, CANARY):
        assert secret not in kept
        assert secret.split(":")[-1] not in kept


async def test_the_api_description_and_the_metrics_hold_no_secret(system: System, one: Tenant) -> None:
    await use_in_every_way(system, one)
    for path in ("/openapi.json", "/metrics", "/health/ready"):
        assert "CANARY" not in (await system.call("GET", path)).text
