"""A connection test says which step works and which doesn't."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from shared.contracts.connection import ConnectionInfo, PostgresqlConnection, SqliteConnection
from shared.engines import probe
from shared.engines.probe import ProbeStep
from tests.contract.meta.targets import LOOPBACK, MysqlTarget, PostgresqlTarget, SqliteTarget, resource
from tests.servers.mariadb import MariaDsn
from tests.servers.postgres import Dsn


async def steps(connection: ConnectionInfo, root: Path | None = None) -> list[ProbeStep]:
    return await probe.test(resource(connection), policy=LOOPBACK, sqlite_root=root, timeout=5)


@pytest.mark.postgres
async def test_a_good_server_passes_every_step(postgres_database: Dsn) -> None:
    found = await steps(PostgresqlTarget(postgres_database).connection())
    assert [step.name for step in found] == [
        "resolve",
        "connect",
        "tls",
        "authenticate",
        "database",
        "privileges",
    ]
    assert all(step.ok and step.duration_ms >= 0 for step in found)
    assert "not encrypted" in found[2].detail
    assert "may create schemas" in found[-1].detail


@pytest.mark.postgres
async def test_the_first_step_that_fails_is_the_last_and_gives_a_hint(postgres_database: Dsn) -> None:
    good = PostgresqlTarget(postgres_database).connection()
    for changed, step in (
        ({"password": SecretStr("wrong")}, "authenticate"),
        ({"database": "missing"}, "database"),
        ({"tls": "require"}, "tls"),
        ({"port": 1}, "connect"),
    ):
        found = await steps(good.model_copy(update=changed))
        assert (found[-1].name, found[-1].ok) == (step, False)
        assert all(each.ok for each in found[:-1])
        assert found[-1].detail
        assert found[-1].hint
        assert "wrong" not in str(found)


@pytest.mark.mariadb
async def test_a_good_mariadb_passes_every_step_on_one_connection(mariadb_database: MariaDsn) -> None:
    target = MysqlTarget(mariadb_database)
    await target.run("CREATE TABLE t (a INTEGER)")
    aborted = "SHOW GLOBAL STATUS LIKE 'Aborted_connects'"
    before = await mariadb_database.fetch(aborted)
    found = await steps(target.connection())
    assert [step.name for step in found] == [
        "resolve",
        "connect",
        "tls",
        "authenticate",
        "database",
        "privileges",
    ]
    assert all(step.ok and step.duration_ms >= 0 for step in found)
    assert "not encrypted" not in found[2].detail
    assert found[4].detail.startswith("MariaDB")
    assert "may create tables" in found[-1].detail
    assert await mariadb_database.fetch(aborted) == before


@pytest.mark.mariadb
async def test_the_first_step_that_fails_on_mariadb_is_the_last_and_gives_a_hint(
    mariadb_database: MariaDsn,
) -> None:
    good = MysqlTarget(mariadb_database).connection()
    for changed, step in (
        ({"password": SecretStr("wrong")}, "authenticate"),
        ({"database": "missing"}, "database"),
        ({"tls": "verify-full"}, "tls"),
        ({"port": 1}, "connect"),
    ):
        found = await steps(good.model_copy(update=changed))
        assert (found[-1].name, found[-1].ok) == (step, False)
        assert all(each.ok for each in found[:-1])
        assert found[-1].detail
        assert found[-1].hint
        assert "wrong" not in str(found)


@pytest.mark.mariadb
async def test_who_logged_in_but_may_not_enter_the_database_sees_both(mariadb_database: MariaDsn) -> None:
    target = MysqlTarget(mariadb_database).connection().model_copy(update={"database": "missing"})
    found = await steps(target)
    assert [(step.name, step.ok) for step in found[-2:]] == [("authenticate", True), ("database", False)]


@pytest.mark.mariadb
async def test_what_a_user_may_is_told(mariadb_database: MariaDsn) -> None:
    await mariadb_database.execute(
        "CREATE TABLE t (a INTEGER)",
        "CREATE USER reader IDENTIFIED BY 'reader'",
        f"GRANT SELECT ON `{mariadb_database.database}`.* TO reader",
    )
    try:
        target = MysqlTarget(mariadb_database, user="reader", password="reader")
        found = await steps(target.connection())
    finally:
        await mariadb_database.execute("DROP USER reader")
    assert found[-1].detail == "sees 1 tables and views in 1 databases; may not create tables"


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    silent = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await probe.test(
            resource(PostgresqlConnection(host="127.0.0.1", port=port, user="me")),
            policy=LOOPBACK,
            sqlite_root=None,
            timeout=0.3,
        )
        silent.set()
    assert [(step.name, step.ok) for step in found] == [("resolve", True), ("connect", True), ("tls", False)]
    assert "0.3 seconds" in found[-1].detail


async def test_a_file_is_checked_and_never_made(tmp_path: Path) -> None:
    target = SqliteTarget(tmp_path)
    missing = await steps(SqliteConnection(file="shop.db"), tmp_path)
    assert [(step.name, step.ok) for step in missing] == [("file", False)]
    to_come = await steps(SqliteConnection(file="shop.db", create=True), tmp_path)
    assert [(step.name, step.ok) for step in to_come] == [("file", True)]
    assert not target.path.exists()
    await target.run("CREATE TABLE t (x INTEGER)")
    good = await steps(SqliteConnection(file="shop.db"), tmp_path)
    assert [(step.name, step.ok) for step in good] == [("file", True), ("database", True)]
    assert "1 table" in good[-1].detail
    off = await steps(SqliteConnection(file="shop.db"))
    assert "PENSTOCK_SQLITE_ROOT" in off[0].hint
