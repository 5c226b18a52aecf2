"""The private MariaDB itself."""

from pathlib import Path

import pytest

from tests.servers import mariadb

pytestmark = pytest.mark.mariadb


async def test_a_test_gets_an_empty_database_of_its_own(mariadb_database: mariadb.MariaDsn) -> None:
    await mariadb_database.execute("CREATE TABLE t (n integer)", "INSERT INTO t VALUES (1), (2)")
    assert await mariadb_database.fetch("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
    assert (mariadb_database.host, mariadb_database.database[:5]) == ("127.0.0.1", "test_")


async def test_the_server_is_not_run_by_root_and_has_one_user(mariadb_server: mariadb.MariaDsn) -> None:
    ((data_directory,),) = await mariadb_server.fetch("SELECT @@datadir")
    assert Path(data_directory).stat().st_uid != 0
    users = await mariadb_server.fetch("SELECT user FROM mysql.user WHERE user <> 'mariadb.sys'")
    assert users == [(mariadb.SUPERUSER,)]
