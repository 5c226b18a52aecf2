import asyncio
import sqlite3
from typing import Any

import pytest

from tests.servers.postgres import Dsn
from tests.servers.private import free_port

from .driver import POSTGRESQL, Answer, System, Tenant


def steps_of(answer: Answer) -> list[tuple[str, bool]]:
    assert answer.status == 200, answer
    return [(step["name"], step["ok"]) for step in answer.json["steps"]]


def connection_to(server: Dsn, **change: Any) -> dict[str, Any]:
    return {
        "type": "postgresql",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
        "tls": "disable",
    } | change


@pytest.mark.postgres
class TestPostgresql:
    async def test_before_it_is_saved_every_step_is_named(self, one: Tenant, postgres_database: Dsn) -> None:
        answer = await one.owner.post("/resources:test", {"connection": connection_to(postgres_database)})
        assert answer.json["ok"] is True
        names = [name for name, ok in steps_of(answer) if ok]
        assert names[:2] == ["resolve", "connect"]
        assert names[-1] == "privileges"

    async def test_a_wrong_password_ends_at_authenticate_with_a_hint(
        self, one: Tenant, postgres_database: Dsn
    ) -> None:
        wrong = connection_to(postgres_database, password="CANARY-wrong")
        answer = await one.owner.post("/resources:test", {"connection": wrong})
        assert answer.json["ok"] is False
        assert steps_of(answer)[-1] == ("authenticate", False)
        assert answer.json["steps"][-1]["hint"]
        assert "CANARY" not in answer.text

    async def test_a_saved_one_is_tried_with_its_stored_password(
        self, one: Tenant, postgres_database: Dsn
    ) -> None:
        resource = await one.owner.new_resource(**connection_to(postgres_database))
        path = f"/resources/{resource['id']}/test"
        assert (await one.owner.post(path)).json["ok"] is True
        assert (await one.owner.post(path, {"connection": {"password": "x"}})).json["ok"] is False
        missing = await one.owner.post(path, {"connection": {"database": "nowhere"}})
        assert steps_of(missing)[-1] == ("database", False)
        assert (await one.owner.get(f"/resources/{resource['id']}")).json["version"] == 1


async def test_the_stored_password_is_not_sent_to_a_new_host(one: Tenant) -> None:
    received = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as rogue:
        port = rogue.sockets[0].getsockname()[1]
        resource = await one.owner.new_resource()
        moved = {"connection": {"host": "127.0.0.1", "port": port}}
        refused = await one.owner.post(f"/resources/{resource['id']}/test", moved)
    assert (refused.status, refused.code) == (422, "secret_needed")
    assert received == b""


async def test_a_closed_port_is_a_result_and_not_an_error(one: Tenant) -> None:
    closed = POSTGRESQL | {"host": "127.0.0.1", "port": free_port()}
    answer = await one.owner.post("/resources:test", {"connection": closed})
    assert steps_of(answer) == [("resolve", True), ("connect", False)]


@pytest.mark.parametrize("host", ["169.254.169.254", "224.0.0.1", "::ffff:169.254.169.254"])
async def test_addresses_that_no_setting_allows_are_refused(one: Tenant, host: str) -> None:
    answer = await one.owner.post("/resources:test", {"connection": POSTGRESQL | {"host": host}})
    assert steps_of(answer) == [("resolve", False)]


class TestSqlite:
    async def test_a_file_in_the_tenant_s_folder_is_opened(self, system: System, one: Tenant) -> None:
        assert system.settings.sqlite_root is not None
        folder = system.settings.sqlite_root / one.slug
        folder.mkdir(parents=True)
        sqlite3.connect(folder / "shop.db").execute("CREATE TABLE t (a)").connection.close()
        answer = await one.owner.post(
            "/resources:test", {"connection": {"type": "sqlite", "file": "shop.db"}}
        )
        assert steps_of(answer) == [("file", True), ("database", True)]

    async def test_a_missing_one_and_one_of_another_tenant_fail_alike(
        self, system: System, one: Tenant, two: Tenant
    ) -> None:
        assert system.settings.sqlite_root is not None
        folder = system.settings.sqlite_root / one.slug
        folder.mkdir(parents=True)
        sqlite3.connect(folder / "shop.db").execute("CREATE TABLE t (a)").connection.close()
        shop = {"connection": {"type": "sqlite", "file": "shop.db"}}
        assert steps_of(await two.owner.post("/resources:test", shop)) == [("file", False)]


class TestWhoMay:
    async def test_an_operator_tries_what_is_saved_but_nothing_of_their_own(
        self, system: System, one: Tenant
    ) -> None:
        resource = await one.owner.new_resource(host="169.254.169.254")
        operator = await system.new_user("olaf", ["operator"], one.slug, one.id)
        path = f"/resources/{resource['id']}/test"
        assert (await operator.post(path)).status == 200
        assert (await operator.post(path, {"connection": {"database": "x"}})).status == 403
        assert (await operator.post("/resources:test", {"connection": POSTGRESQL})).status == 403

    async def test_each_test_is_audited(self, one: Tenant) -> None:
        await one.owner.post("/resources:test", {"connection": POSTGRESQL | {"host": "169.254.169.254"}})
        entries = (await one.owner.get("/audit?action=resource.tested")).json["items"]
        assert [entry["details"]["ok"] for entry in entries] == [False]
