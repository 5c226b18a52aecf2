"""Resources of the type `mysql`: described, created, tried and handed out like the others."""

from typing import Any
from uuid import uuid4

import pytest

from shared.contracts.connection import MysqlConnection, ResourceConnection
from tests.servers.mariadb import MariaDsn

from .driver import System, Tenant

pytestmark = pytest.mark.mariadb


def connection_to(server: MariaDsn, **change: Any) -> dict[str, Any]:
    return {
        "type": "mysql",
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "password": server.password,
        "database": server.database,
    } | change


async def test_the_type_describes_its_connection(one: Tenant) -> None:
    answer = await one.owner.get("/resource-types/mysql")
    assert (answer.status, answer.json["title"]) == (200, "MySQL or MariaDB")
    fields = answer.json["connection_schema"]["properties"]
    assert (fields["port"]["default"], fields["tls"]["default"]) == (3306, "prefer")
    assert set(answer.json["connection_schema"]["required"]) == {"host", "user"}


async def test_one_is_created_tried_and_handed_out_and_never_shows_its_password(
    system: System, one: Tenant, mariadb_database: MariaDsn
) -> None:
    resource = await one.owner.new_resource(**connection_to(mariadb_database))
    assert resource["type"] == "mysql"
    assert resource["secrets"]["password"]["state"] == "set"
    report = await one.owner.post(f"/resources/{resource['id']}/test")
    assert report.json["ok"] is True, report.json
    wrong = await one.owner.post(f"/resources/{resource['id']}/test", {"connection": {"password": "no"}})
    assert (wrong.json["ok"], wrong.json["steps"][-1]["name"]) == (False, "authenticate")
    service = await system.service("etl")
    asked = {"tenant_id": one.id, "purpose": "run", "subject": str(uuid4())}
    answer = await service.post(f"/internal/resources/{resource['id']}/connection", asked)
    handed = ResourceConnection.model_validate_json(answer.text).connection
    assert isinstance(handed, MysqlConnection)
    assert handed.password.get_secret_value() == mariadb_database.password
    assert mariadb_database.password not in report.text + wrong.text + str(resource)
    assert mariadb_database.password not in system.log.getvalue()


async def test_a_new_host_asks_for_the_password_again(one: Tenant, mariadb_database: MariaDsn) -> None:
    resource = await one.owner.new_resource(**connection_to(mariadb_database))
    moved = {"connection": {"host": "db.example"}}
    refused = await one.owner.post(f"/resources/{resource['id']}/test", moved)
    assert (refused.status, refused.code) == (422, "secret_needed")


async def test_what_is_no_connection_is_refused_at_its_place(one: Tenant) -> None:
    for wrong, place in (
        ({"port": 0}, "port"),
        ({"host": "/tmp/socket"}, "host"),
        ({"database": "x" * 65}, "database"),
        ({"tls": "sometimes"}, "tls"),
        ({"local_infile": True}, "local_infile"),
    ):
        body = {"connection": {"type": "mysql", "host": "db", "user": "u"} | wrong}
        answer = await one.owner.post("/resources:test", body)
        assert answer.status == 422
        assert [error["loc"][-1] for error in answer.json["errors"]] == [place]
