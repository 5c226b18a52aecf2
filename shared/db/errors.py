"""Errors of the database in Penstock's words: no SQL, no parameters, no driver classes."""

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError

from shared.errors import Conflict, PenstockError, Unavailable, VersionOutdated

_UNIQUE_SQLSTATE = "23505"
_REASONS: Final[Mapping[str, str]] = {
    "08": "the connection was lost",
    "53": "the server is out of resources",
    "57P": "the server is starting up or shutting down",
    "58": "the server has trouble with its disk",
    "28": "the server doesn't take our user and password",
    "3D000": "the server has no such database",
}
"""Why a database can't be used for now, by the beginning of an SQLSTATE (PostgreSQL, appendix A)."""
_SQLITE_REASONS: Final[Mapping[str, str]] = {
    "SQLITE_BUSY": "others are writing",
    "SQLITE_LOCKED": "others are writing",
    "SQLITE_FULL": "its disk is full",
    "SQLITE_IOERR": "there is trouble with its disk",
}
"""The same by the beginning of a name of SQLite's result codes (sqlite.org/rescode.html)."""

_NO_WAY: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})


class OutdatedWrite(VersionOutdated):
    """The object has changed since it was read."""


class AlreadyExists(Conflict):
    """Another object has taken this value, which must be unique."""


class MigrationMissing(Unavailable):
    """The database of {what} is at revision {current}, this version needs {needed}; run its migrations."""


class DatabaseNewer(Unavailable):
    """The database of {what} is at revision {current}, which this version, at {needed}, doesn't know: use
    the newer version again, or restore a backup from before it.
    """


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLAlchemy's errors into ours: stale rows, lost connections, an exhausted pool, a busy file.

    The fact `reason` of an Unavailable says why, in words and for logs only.
    """
    try:
        yield
    except StaleDataError as error:
        raise OutdatedWrite from error
    except exc.TimeoutError as error:
        raise Unavailable(what="The database (all connections are in use)") from error
    except exc.DBAPIError as error:
        reason = _unavailable(error)
        if reason is not None:
            raise Unavailable(what="The database", reason=reason) from error
        raise
    except OSError as error:
        reason = _unreachable(error)
        if reason is None:
            raise
        raise Unavailable(what="The database", reason=reason) from error


@contextmanager
def unique_or(conflict: PenstockError) -> Iterator[None]:
    """Raise `conflict` when a statement inside violates a unique constraint; other errors pass."""
    try:
        yield
    except exc.IntegrityError as error:
        if is_unique_violation(error):
            raise conflict from error
        raise


def is_unique_violation(error: exc.IntegrityError) -> bool:
    """Whether a unique or primary key constraint was violated, and not another one."""
    if getattr(error.orig, "sqlstate", None) == _UNIQUE_SQLSTATE:
        return True
    name = getattr(error.orig, "sqlite_errorname", "")
    return name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}


def _unavailable(error: exc.DBAPIError) -> str | None:
    """Why the database can't be used for now; None for an error that has another cause."""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    for beginning, reason in _REASONS.items():
        if sqlstate.startswith(beginning):
            return reason
    if error.connection_invalidated:
        return _REASONS["08"]
    name = getattr(error.orig, "sqlite_errorname", "")
    return next((reason for start, reason in _SQLITE_REASONS.items() if name.startswith(start)), None)


def _unreachable(error: OSError) -> str | None:
    match error:
        case socket.gaierror():
            return "the name of its host has no address"
        case ConnectionRefusedError():
            return "nobody listens at its address"
        case TimeoutError():
            return "it didn't answer in time"
        case ConnectionError():
            return _REASONS["08"]
    # A name with several addresses: asyncio puts their errors into one that has no number.
    return "no way leads to its host" if error.errno is None or error.errno in _NO_WAY else None
