"""Where files of tenants may lie, and what a connection to one can't do."""

import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.engines import sqlite
from shared.engines.errors import ConnectFailed, ConnectRefused
from tests.contract.meta.targets import resource


def named(file: str, *, folder: str = "acme") -> ResourceConnection:
    found = resource(SqliteConnection(file="shop.db"))
    connection = SqliteConnection.model_construct(type="sqlite", file=file, create=False)
    return found.model_copy(update={"connection": connection, "tenant_folder": folder})


def test_a_file_lies_in_its_tenants_folder(tmp_path: Path) -> None:
    assert sqlite.path_of(tmp_path, named("shop.db")) == tmp_path / "acme" / "shop.db"


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("../meta.db", "acme"),
        ("/etc/passwd", "acme"),
        ("a/b.db", "acme"),
        (".hidden", "acme"),
        ("a\x00.db", "acme"),
        ("a.db\n", "acme"),
        ("shop.db-wal", "acme"),
        ("SHOP.DB-JOURNAL", "acme"),
        ("shop.db", ".."),
        ("shop.db", ""),
        ("shop.db", "a/b"),
    ],
)
def test_no_name_leads_out_of_it(tmp_path: Path, file: str, folder: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        sqlite.path_of(tmp_path, named(file, folder=folder))
    assert caught.value.step == "file"
    assert str(tmp_path) not in str(caught.value)


def test_no_link_leads_out_of_it(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (outside / "shop.db").touch()
    (root / "acme").mkdir(parents=True)
    (root / "acme" / "shop.db").symlink_to(outside / "shop.db")
    (root / "other").symlink_to(outside)
    for folder in ("acme", "other"):
        with pytest.raises(ConnectFailed, match="symbolic link"):
            sqlite.path_of(root, named("shop.db", folder=folder))


@pytest.mark.parametrize("ending", ["", "-journal", "-wal"])
def test_a_file_with_another_name_elsewhere_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "acme" / "shop.db"
    sqlite.connect(path, read_only=False, create=True).close()
    own = tmp_path / "system.db"
    own.touch()
    linked = path.with_name(path.name + ending)
    linked.unlink(missing_ok=True)
    os.link(own, linked)
    for read_only in (True, False):
        with pytest.raises(ConnectRefused, match="hard link") as caught:
            sqlite.connect(path, read_only=read_only, create=not read_only)
        assert caught.value.step == "file"


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    with pytest.raises(ConnectRefused, match="shorter"):
        sqlite.path_of(tmp_path, named("数" * 120))


@pytest.mark.parametrize(("name", "fits"), [("数" * 66, True), ("数" * 67, False), ("a" * 120, True)])
def test_a_name_leaves_room_for_the_journal_beside_the_file(name: str, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(ValidationError, match="at most 200 bytes"):
        SqliteConnection(file=name)


def test_a_value_beyond_the_bound_is_an_error_before_it_takes_memory(tmp_path: Path) -> None:
    path = tmp_path / "acme" / "shop.db"
    connection = sqlite.connect(path, read_only=False, create=True, max_bytes=1000)
    assert connection.execute("SELECT length(zeroblob(900))").fetchone() == (900,)
    with pytest.raises(sqlite3.Error, match="too big"):
        connection.execute("SELECT zeroblob(2000)").fetchone()
    connection.close()


def test_a_statement_ends_when_its_time_is_over(tmp_path: Path) -> None:
    connection = sqlite.connect(tmp_path / "acme" / "shop.db", read_only=False, create=True)
    sqlite.limit_time(connection, 0.05)
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        connection.execute(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"
        )
    connection.close()


def test_without_a_root_they_are_switched_off_by_a_named_setting() -> None:
    with pytest.raises(ConnectFailed, match="PENSTOCK_SQLITE_ROOT"):
        sqlite.path_of(None, named("shop.db"))


def test_nothing_is_made_unless_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "acme" / "shop.db"
    with pytest.raises(ConnectFailed, match="no such file"):
        sqlite.connect(path, read_only=False)
    sqlite.connect(path, read_only=False, create=True).close()
    assert path.exists()
    assert path.parent.stat().st_mode & 0o077 == 0


def test_a_connection_can_neither_attach_nor_leave_its_file(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite.connect(tmp_path / "acme" / "shop.db", read_only=False, create=True)
    for statement in (
        f"ATTACH '{other}' AS other",
        f"VACUUM INTO '{other}'",
        "PRAGMA writable_schema = ON",
        "SELECT load_extension('x')",
    ):
        with pytest.raises(sqlite3.Error):
            connection.execute(statement)
    connection.close()
    assert not other.exists()


def test_a_read_only_connection_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "acme" / "shop.db"
    sqlite.connect(path, read_only=False, create=True).close()
    connection = sqlite.connect(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("CREATE TABLE t (x INTEGER)")
    connection.close()


def test_a_file_that_is_no_database_says_so_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing but text, long enough to be looked at as a database header" * 20)
    with pytest.raises(ConnectFailed, match="isn't a readable SQLite database") as caught:
        sqlite.connect(path)
    assert caught.value.step == "database"
    with pytest.raises(ConnectFailed, match="plain file"):
        sqlite.connect(tmp_path)
