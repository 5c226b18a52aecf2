"""What PostgreSQL's errors mean for a job: terminal or worth another try, without values or SQL."""

import re
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from services.etl.pipeline.errors import TargetBusy, TargetRefused
from shared.errors import PenstockError

_BUSY_CLASSES: Final = ("08", "40", "53", "57", "58", "25P03")
_REASONS: Final = {
    "55P03": "a lock on the table did not come free in time",
    "40P01": "the server ended a deadlock",
    "57014": "the statement took too long",
    "57P01": "the server ended the session",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "42501": "the user may not do this",
    "25006": "the database is read-only",
}
_VIOLATIONS: Final = {
    "23505": "a row has the key of another one ({constraint})",
    "23502": "column {column} must not be NULL",
    "23503": "a row refers to one that is not there ({constraint})",
    "23514": "a row breaks the check {constraint}",
    "23P01": "a row breaks the exclusion {constraint}",
}
_COPY_PLACE: Final = re.compile(r"^COPY [^,]+, line (\d+)(?:, column ([^:]+))?")


def translated(
    error: BaseException, record_of: Callable[[int], int | None] = lambda _row: None
) -> PenstockError:
    """The error of a job for an error of the driver. `record_of` knows the records of rows that were sent."""
    if not isinstance(error, asyncpg.PostgresError):
        return TargetBusy(reason="the connection broke")
    state: str = getattr(error, "sqlstate", None) or "XX000"
    place = _COPY_PLACE.match(getattr(error, "context", None) or "")
    if state in _VIOLATIONS:
        reason = _VIOLATIONS[state].format_map(_Names(error))
        return TargetRefused(reason=reason + (_spelled(int(place[1]), record_of) if place else ""))
    reason = _REASONS.get(state, f"SQLSTATE {state}")
    if state == "55P03" or state.startswith(_BUSY_CLASSES):
        return TargetBusy(reason=reason)
    if place:
        reason += _spelled(int(place[1]), record_of)
        reason += f", column {place[2].strip()}" if place[2] else ""
    return TargetRefused(reason=reason)


def _spelled(row: int, record_of: Callable[[int], int | None]) -> str:
    record = record_of(row)
    return f", row {row} of the rows that were sent" if record is None else f", record {record}"


class _Names(dict[str, str]):
    def __init__(self, error: Any) -> None:
        super().__init__(
            constraint=getattr(error, "constraint_name", None) or "unnamed",
            column=getattr(error, "column_name", None) or "unnamed",
        )
