"""Where files of tenants may lie, and what a connection to one can't do."""

import os
import sqlite3
from pathlib import Path

import pytest

from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.engines import sqlite
from shared.engines.errors import ConnectFailed
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


def test_our_own_files_are_never_a_resource(tmp_path: Path) -> None:
    own = tmp_path / "acme" / "meta.db"
    own.parent.mkdir()
    own.touch()
    os.link(own, tmp_path / "acme" / "innocent.db")
    for name in ("meta.db", "innocent.db"):
        with pytest.raises(ConnectFailed, match="Penstock itself"):
            sqlite.path_of(tmp_path, named(name), own_files=[own])


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
