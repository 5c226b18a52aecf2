"""Errors of the database in Penstock's words: no SQL, no parameters, no driver classes."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError

from shared.errors import Conflict, PenstockError, Unavailable, VersionOutdated

_UNIQUE_SQLSTATE = "23505"


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
    """Turn SQLAlchemy's errors into ours: stale rows, lost connections, an exhausted pool, a busy file."""
    try:
        yield
    except StaleDataError as error:
        raise OutdatedWrite from error
    except exc.TimeoutError as error:
        raise Unavailable(what="The database (all connections are in use)") from error
    except exc.DBAPIError as error:
        if _is_unavailable(error):
            raise Unavailable(what="The database") from error
        raise
    except (ConnectionError, TimeoutError) as error:
        raise Unavailable(what="The database") from error


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


def _is_unavailable(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    # Classes 08 (connection), 53 (resources) and 57P (shutdown, starting up): PostgreSQL, appendix A.
    if sqlstate.startswith(("08", "53", "57P")):
        return True
    return getattr(error.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
