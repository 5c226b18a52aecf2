"""SQLite files of tenants: where they may lie, how they are opened, how names are quoted."""

import os
import re
import sqlite3
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote as url_quote

from shared.contracts.connection import ResourceConnection, SqliteConnection
from shared.engines.errors import ConnectFailedForNow, ConnectRefused, checked_identifier
from shared.errors import Loc

_PLAIN_NAME = re.compile(r"\w[\w .-]*\Z")
_COMPANION_FILE = re.compile(r"-(wal|shm|journal)\Z", re.IGNORECASE)
_FORBIDDEN_PRAGMAS: Final = frozenset({"writable_schema", "trusted_schema", "data_store_directory"})
_BUSY_TIMEOUT_S: Final = 5.0
_FOLDER_MODE: Final = 0o700
_COMPANIONS: Final = ("-journal", "-wal", "-shm")
_CHECK_EVERY: Final = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""


def quote(identifier: str) -> str:
    """The identifier in double quotes (SQLite, "SQL Keywords")."""
    return '"' + identifier.replace('"', '""') + '"'


def check_identifier(name: str, loc: Loc = ()) -> str:
    """The name itself; raises `IdentifierInvalid` for an empty one or one with a NUL."""
    return checked_identifier(name, loc, max_bytes=None)


def path_of(root: Path | None, resource: ResourceConnection) -> Path:
    """Where the resource's file lies: directly in the tenant's folder below `root`, nowhere else.

    Follows no symbolic link and takes no companion file of another database. Raises `ConnectRefused` at
    step `file`. The file itself need not exist; `connect` looks at it.
    """
    if root is None:
        raise _refused("SQLite resources are switched off", "Set PENSTOCK_SQLITE_ROOT to switch them on.")
    if not isinstance(resource.connection, SqliteConnection):
        raise _refused("the resource isn't an SQLite file")
    name, folder = resource.connection.file, resource.tenant_folder
    if not _PLAIN_NAME.match(name) or not _PLAIN_NAME.match(folder) or _COMPANION_FILE.search(name):
        raise _refused("the name of the file isn't allowed", "Use letters, digits, dots and dashes.")
    try:
        path = root.resolve() / folder / name
        linked = path.parent.is_symlink() or path.is_symlink()
    except OSError:
        raise _refused("the file can't be looked up", "Use a shorter name.") from None
    if linked:
        raise _refused("the file or its folder is a symbolic link")
    return path


def connect(
    path: Path,
    *,
    read_only: bool = True,
    create: bool = False,
    any_thread: bool = False,
    max_bytes: int | None = None,
) -> sqlite3.Connection:
    """A connection in autocommit mode (`isolation_level=None`): whoever writes says BEGIN.

    It can't ATTACH another file or change the schema behind SQLite's back; it waits at most 5 s for
    a lock. `create` makes the folder and an empty database where there is none. With `any_thread`
    the caller answers for using it from one thread at a time. A value or row of more than `max_bytes` is
    an error (SQLITE_TOOBIG) before it takes memory. Raises `ConnectFailed`, also for a file that has another
    name somewhere: a hard link could make a database of Penstock itself a tenant's.
    """
    _check_file(path, create=create and not read_only)
    mode = "ro" if read_only else "rwc" if create else "rw"
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"file:{url_quote(str(path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_TIMEOUT_S,
            check_same_thread=not any_thread,
        )
        if max_bytes is not None:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_bytes)
        _restrict(connection, read_only=read_only)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise failure_of(error) from None
    return connection


def limit_time(connection: sqlite3.Connection, seconds: float) -> None:
    """End any statement of the connection that still runs in `seconds` from now (SQLITE_INTERRUPT)."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _CHECK_EVERY)


def failure_of(error: sqlite3.Error) -> ConnectFailedForNow | ConnectRefused:
    """The failed step behind an error of the driver, without path or SQL."""
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ConnectFailedForNow(
            step="database", reason="the file is locked by another program", hint="Try again later."
        )
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return ConnectRefused(step="database", reason="the file isn't a readable SQLite database")
    if code.startswith("SQLITE_TOOBIG"):
        return ConnectRefused(step="database", reason="the file has a value that is too long to be read")
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_AUTH")):
        return ConnectRefused(step="file", reason="the file can't be opened", hint="Check its permissions.")
    return ConnectFailedForNow(step="database", reason=f"SQLite failed ({code or 'unknown error'})")


def _check_file(path: Path, *, create: bool) -> None:
    try:
        if create:
            path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        found = path.lstat()
    except FileNotFoundError:
        if create:
            return
        raise _refused("there is no such file", "Check its name, or let Penstock create it.") from None
    except OSError:
        raise _refused("the file can't be opened", "Check its permissions.") from None
    _check_plain(found)
    for ending in _COMPANIONS:
        with suppress(FileNotFoundError):
            _check_plain(path.with_name(path.name + ending).lstat())


def _check_plain(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refused("this isn't a plain file")
    if found.st_nlink > 1:
        raise _refused("the file has another name elsewhere (a hard link)", "Put a copy of it in its place.")


def _restrict(connection: sqlite3.Connection, *, read_only: bool) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and second is not None and (first or "").lower() in _FORBIDDEN_PRAGMAS:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _refused(reason: str, hint: str = "") -> ConnectRefused:
    return ConnectRefused(step="file", reason=reason, hint=hint)
