"""Sessions on a real MariaDB: encryption, quoting, and what they may do."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

from shared.contracts.connection import MysqlConnection
from shared.engines import mysql
from shared.engines.errors import ConnectFailed
from tests.contract.meta.targets import LOOPBACK, resource
from tests.servers.mariadb import MariaDsn

pytestmark = pytest.mark.mariadb

_SLEEPING = "SELECT 1 FROM information_schema.processlist WHERE id = %s AND info LIKE 'SELECT sleep%%'"


def target(dsn: MariaDsn, **changed: Any) -> MysqlConnection:
    known = {"host": dsn.host, "port": dsn.port, "user": dsn.user, "database": dsn.database}
    return MysqlConnection.model_validate({**known, "password": SecretStr(dsn.password), **changed})


async def connect(dsn: MariaDsn, connection: MysqlConnection | None = None, **options: Any) -> Any:
    return await mysql.connect(
        resource(connection or target(dsn)), policy=LOOPBACK, application_name="penstock-test", **options
    )


async def one(connection: Any, query: str, *arguments: object) -> Any:
    async with connection.cursor() as cursor:
        await cursor.execute(query, arguments or None)
        return await cursor.fetchone()


@pytest.mark.parametrize(("tls", "encrypted"), [("disable", False), ("prefer", True), ("require", True)])
async def test_a_session_is_encrypted_as_its_mode_says(
    mariadb_database: MariaDsn, tls: str, encrypted: bool
) -> None:
    connection = await connect(mariadb_database, target(mariadb_database, tls=tls))
    try:
        assert bool((await one(connection, "SHOW STATUS LIKE 'Ssl_cipher'"))[1]) is encrypted
    finally:
        connection.close()


async def test_a_certificate_must_be_trusted_and_for_the_host_that_was_configured(
    mariadb_database: MariaDsn, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = target(mariadb_database, tls="verify-full")
    with pytest.raises(ConnectFailed, match="isn't trusted") as caught:
        await connect(mariadb_database, verified)
    assert caught.value.step == "tls"
    monkeypatch.setenv("SSL_CERT_FILE", str(mariadb_database.certificate))
    (await connect(mariadb_database, verified.model_copy(update={"host": "localhost"}))).close()
    with pytest.raises(ConnectFailed, match="isn't for this host"):
        await connect(mariadb_database, verified)


async def test_values_arrive_as_they_were_sent(mariadb_database: MariaDsn) -> None:
    values = ["it's", "back\\slash", 'say "hi"', "\\' OR 1=1 -- ", "😀", b"\x00'\\\xff", b"", "%s\n\x1a\t"]
    connection = await connect(mariadb_database)
    try:
        slots = ", ".join(["%s"] * len(values))
        assert list(await one(connection, f"SELECT {slots}", *values)) == values
        found = await one(connection, "SELECT %s IN %s", "a\\'", ["b", "a\\'"])
        assert found == (1,)
    finally:
        connection.close()


async def test_a_second_statement_is_not_smuggled_in(mariadb_database: MariaDsn) -> None:
    connection = await connect(mariadb_database, read_only=False)
    try:
        with pytest.raises(mysql.DRIVER_ERRORS) as caught:
            await one(connection, "SELECT 1; SELECT 2")
        assert mysql.number_of(caught.value) == 1064
    finally:
        connection.close()


async def test_a_reading_session_changes_nothing(mariadb_database: MariaDsn) -> None:
    await mariadb_database.execute("CREATE TABLE t (id INTEGER)")
    connection = await connect(mariadb_database)
    try:
        for statement in ("INSERT INTO t VALUES (1)", "CREATE TABLE u (id INTEGER)", "DROP TABLE t"):
            with pytest.raises(mysql.DRIVER_ERRORS) as caught:
                await one(connection, statement)
            assert mysql.number_of(caught.value) == 1792
    finally:
        connection.close()


async def test_a_writing_session_commits_only_when_it_is_told_to(mariadb_database: MariaDsn) -> None:
    await mariadb_database.execute("CREATE TABLE t (id INTEGER NOT NULL, at DATETIME)")
    connection = await connect(mariadb_database, read_only=False)
    try:
        await one(connection, "INSERT INTO t VALUES (1, NULL)")
        assert await mariadb_database.fetch("SELECT count(*) FROM t") == [(0,)]
        await connection.commit()
        assert await mariadb_database.fetch("SELECT count(*) FROM t") == [(1,)]
        for wrong in ("'abc', NULL", "99999999999, NULL", "1, '2026-02-31'", "1, '0000-00-00'"):
            with pytest.raises(mysql.DRIVER_ERRORS):
                await one(connection, f"INSERT INTO t VALUES ({wrong})")
        settings = await one(
            connection, "SELECT @@time_zone, @@character_set_client, @@innodb_lock_wait_timeout"
        )
        assert settings == ("+00:00", "utf8mb4", 5)
    finally:
        connection.close()


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_server_that_cuts_answers_short_does_not_cut_ours(
    mariadb_database: MariaDsn, read_only: bool
) -> None:
    limits = {"sql_select_limit": 1, "sql_safe_updates": 1, "max_join_size": 1}
    await mariadb_database.execute(*(f"SET GLOBAL {name} = {value}" for name, value in limits.items()))
    try:
        connection = await connect(mariadb_database, read_only=read_only)
        try:
            columns = "SELECT count(*) FROM (SELECT a.column_name FROM information_schema.columns AS a) AS b"
            assert (await one(connection, columns))[0] > 1
            assert await connection.query("SELECT 1 UNION SELECT 2") == 2
            assert await one(connection, "SELECT @@sql_safe_updates, @@sql_big_selects") == (0, 1)
        finally:
            connection.close()
    finally:
        restored = (f"SET GLOBAL {name} = DEFAULT" for name in ("sql_select_limit", "max_join_size"))
        await mariadb_database.execute(
            "SET sql_big_selects = 1", *restored, "SET GLOBAL sql_safe_updates = 0"
        )


@pytest.mark.parametrize("level", ["READ-UNCOMMITTED", "READ-COMMITTED", "SERIALIZABLE"])
async def test_the_level_of_isolation_is_ours(mariadb_database: MariaDsn, level: str) -> None:
    await mariadb_database.execute(f"SET GLOBAL tx_isolation = '{level}'")
    try:
        for read_only in (True, False):
            connection = await connect(mariadb_database, read_only=read_only)
            assert await one(connection, "SELECT @@tx_isolation") == ("REPEATABLE-READ",)
            connection.close()
    finally:
        await mariadb_database.execute("SET GLOBAL tx_isolation = DEFAULT")


async def test_warnings_are_counted_and_not_printed(mariadb_database: MariaDsn) -> None:
    connection = await connect(mariadb_database)
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT CAST('12x' AS INTEGER)")
            assert cursor.warning_count == 1
            await cursor.execute("SELECT 1")
            assert cursor.warning_count == 0
    finally:
        connection.close()


async def test_a_statement_that_takes_too_long_is_ended_and_the_session_lives(
    mariadb_database: MariaDsn,
) -> None:
    connection = await connect(mariadb_database, statement_timeout=0.2)
    try:
        with pytest.raises(mysql.DRIVER_ERRORS) as caught:
            await one(connection, "SELECT sleep(30)")
        assert mysql.number_of(caught.value) == 1969
        assert not mysql.is_lost(caught.value)
        assert await one(connection, "SELECT 1") == (1,)
    finally:
        connection.close()


async def test_passwords_are_compared_in_utf_8(mariadb_database: MariaDsn) -> None:
    await mariadb_database.execute("CREATE USER 'ümlaut'@'%' IDENTIFIED BY 'pässword'")
    try:
        login = target(mariadb_database, user="ümlaut", password=SecretStr("pässword"), database="")
        (await connect(mariadb_database, login)).close()
        with pytest.raises(ConnectFailed) as caught:
            await connect(mariadb_database, login.model_copy(update={"password": SecretStr("wrong")}))
        assert caught.value.step == "authenticate"
        with pytest.raises(ConnectFailed) as caught:
            await connect(mariadb_database, login, database=mariadb_database.database)
        assert caught.value.step == "database"
    finally:
        await mariadb_database.execute("DROP USER 'ümlaut'@'%'")


async def test_a_session_that_was_killed_is_lost(mariadb_database: MariaDsn) -> None:
    connection = await connect(mariadb_database)
    try:
        await mariadb_database.execute(f"KILL {connection.thread_id()}")
        with pytest.raises(mysql.DRIVER_ERRORS) as caught:
            await one(connection, "SELECT 1")
        assert mysql.is_lost(caught.value)
    finally:
        connection.close()


async def test_giving_up_in_the_middle_leaves_no_socket_open(mariadb_database: MariaDsn) -> None:
    connection = await connect(mariadb_database)
    waiting = asyncio.ensure_future(one(connection, "SELECT sleep(30)"))
    async with asyncio.timeout(10):
        while not await mariadb_database.fetch(_SLEEPING, connection.thread_id()):
            continue
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert connection.closed


async def test_what_answers_is_known(mariadb_database: MariaDsn) -> None:
    connection = await connect(mariadb_database)
    try:
        server = mysql.server_of(connection)
    finally:
        connection.close()
    assert server.is_mariadb
    assert server.version >= (10, 5, 0)
    assert server.title.startswith("MariaDB 10.") or server.title.startswith("MariaDB 1")
