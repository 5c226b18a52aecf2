"""Which databases a start may make, and which it has to miss."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from services import databases
from services.databases import DatabaseLost, DatabaseUnreadable

NAMES = ("system", "meta", "etl")


def urls(folder: Path) -> Mapping[str, str]:
    return {name: f"sqlite+aiosqlite:///{folder / name}.db" for name in NAMES}


def make(folder: Path, *names: str) -> None:
    for name in names:
        with closing(sqlite3.connect(folder / f"{name}.db")) as database:
            database.execute("CREATE TABLE t (n)")


@pytest.mark.parametrize("made", [(), ("system",), ("system", "meta"), NAMES])
def test_a_first_start_that_ended_half_way_may_be_finished(tmp_path: Path, made: tuple[str, ...]) -> None:
    make(tmp_path, *made)
    assert databases.check(tmp_path, urls(tmp_path)) == bool(made)


@pytest.mark.parametrize("lost", NAMES)
def test_a_database_of_a_complete_installation_is_missed(tmp_path: Path, lost: str) -> None:
    make(tmp_path, *NAMES)
    databases.mark(tmp_path, version="1")
    databases.check(tmp_path, urls(tmp_path))
    (tmp_path / f"{lost}.db").write_bytes(b"")
    with pytest.raises(DatabaseLost, match=f"{lost}.db is missing"):
        databases.check(tmp_path, urls(tmp_path))


def test_a_mark_without_any_database_is_of_no_account_from_then_on(tmp_path: Path) -> None:
    databases.mark(tmp_path, version="1")
    assert not databases.check(tmp_path, urls(tmp_path))
    make(tmp_path, "system")
    assert databases.check(tmp_path, urls(tmp_path))


def test_a_database_elsewhere_is_not_missed(tmp_path: Path) -> None:
    make(tmp_path, "system", "meta")
    databases.mark(tmp_path, version="1")
    assert databases.check(tmp_path, {**urls(tmp_path), "etl": "postgresql+asyncpg://u@h/etl"})


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "etl.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseUnreadable, match=r"etl\.db can't be read: file is not a database"):
        databases.check(tmp_path, urls(tmp_path))
