"""What PostgreSQL's errors mean for a change of a table: what the server says may quote SQL or values."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import asyncpg

from services.etl.tables.errors import TargetBusy, TargetHalfway, TargetLost, TargetRefused
from shared.errors import PenstockError

_REASONS: Final[Mapping[str, str]] = {
    "42501": "the user of the resource lacks the privilege for it",
    "2BP01": "other objects, such as views, depend on the table",
    "42P07": "a relation of one of the names is there already",
    "42710": "an object of one of the names is there already",
    "42704": "there is no type of one of the names, or none that an index can be over",
    "42601": "one of the types isn't spelled as the server spells types",
    "22P02": "a default isn't a value of its type",
    "23505": "rows have the same values in a key",
    "23502": "a row has no value where one is wanted",
    "42809": "it is part of another table, such as a partition; change that one there",
    "42P16": "it has columns of another table that it is part of or inherits from; change that one there",
    "54000": "the table would go beyond a limit of the server",
    "54011": "the table would have too many columns",
    "53100": "the server's disk is full",
    "25006": "the server is read-only",
    "57014": "a statement took too long, or somebody ended it at the server",
}
_BUSY: Final = frozenset({"55P03", "40P01", "40001"})
_IN_THE_WAY: Final = "others were in its way for too long"
_DEPENDENTS: Final = frozenset({"2BP01", "0A000"})


@contextmanager
def translated() -> Iterator[None]:
    """The driver's errors in our words."""
    try:
        yield
    except PenstockError:
        raise
    except asyncpg.PostgresError as error:
        raise refusal(error) from None
    except (asyncpg.InterfaceError, OSError, EOFError) as error:
        raise TargetLost from error


def refusal(error: asyncpg.PostgresError) -> PenstockError:
    """The error of the server in our words."""
    state = _state(error)
    if state in _BUSY:
        return TargetBusy()
    if state.startswith(("08", "57P")):
        return TargetLost()
    return TargetRefused(reason=_REASONS.get(state, f"SQLSTATE {state}"))


def halfway(error: asyncpg.PostgresError) -> PenstockError:
    """The same of a change that is done in part."""
    found = refusal(error)
    if isinstance(found, TargetBusy):
        return TargetHalfway(reason=_IN_THE_WAY)
    return TargetHalfway(**found.facts) if isinstance(found, TargetRefused) else found


def is_locked(error: asyncpg.PostgresError) -> bool:
    """Whether another try may go through: locks are free by then, or our notes made by the other one."""
    return _state(error) in _BUSY or (
        isinstance(error, asyncpg.UniqueViolationError) and error.schema_name == "pg_catalog"
    )


def has_dependents(error: asyncpg.PostgresError) -> bool:
    """Whether something else needs the table as it is."""
    return _state(error) in _DEPENDENTS


def _state(error: asyncpg.PostgresError) -> str:
    return getattr(error, "sqlstate", None) or "unknown"
