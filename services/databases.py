"""The SQLite databases of an embedded installation: all of them there and readable, or none yet.

A start makes a missing database, so without this check a lost one would be replaced by an empty one. A
mark in the data folder says that a first start was completed: only before that may some be missing.
"""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.db import engine
from shared.errors import Terminal

MARK: Final = "installation.json"


class DatabaseLost(Terminal):
    """The database {missing} is missing, while {present} is there: restore it from a backup, or move the
    others away to begin anew.
    """


class DatabaseUnreadable(Terminal):
    """The database {path} can't be read: {reason}. Restore it from a backup."""


class NotInstalled(Terminal):
    """There is no installation in {folder} yet: start Penstock first."""


def check(folder: Path, urls: Mapping[str, str]) -> bool:
    """Whether there is an installation; its first start may have ended half-way.

    Takes the URLs by service, and leaves other databases than SQLite's alone. Raises DatabaseLost when
    some, but not all, of a completed installation are there, and DatabaseUnreadable.
    """
    files = {name: path for name, url in urls.items() if (path := _file(url)) is not None}
    present = [path for path in files.values() if _is_there(path)]
    missing = [path for path in files.values() if path not in present]
    if missing and present and _is_marked(folder):
        raise DatabaseLost(missing=_named(missing), present=_named(present))
    for path in present:
        _read(path)
    if files and not present:
        (folder / MARK).unlink(missing_ok=True)
    return not files or bool(present)


def mark(folder: Path, *, version: str) -> None:
    """Write down, once, that the first start is complete."""
    if _is_marked(folder):
        return
    draft = folder / f".{MARK}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    facts = {"installed": datetime.now(UTC).isoformat(timespec="seconds"), "version": version}
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(facts) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / MARK)


def _is_marked(folder: Path) -> bool:
    return (folder / MARK).exists()


def _file(url: str) -> Path | None:
    address, dialect = engine.parse(url)
    return Path(address.database or "") if dialect == "sqlite" else None


def _is_there(path: Path) -> bool:
    """An empty file is what opening a missing database leaves behind."""
    return path.is_dir() or (path.exists() and path.stat().st_size > 0)


def _named(paths: list[Path]) -> str:
    return " and ".join(map(str, paths))


def _read(path: Path) -> None:
    if path.is_dir():
        raise DatabaseUnreadable(path=path, reason="a folder has its name")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=5)) as reader:
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise DatabaseUnreadable(path=path, reason=error) from None
