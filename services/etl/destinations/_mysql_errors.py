"""What errors of MySQL and MariaDB mean for a job: terminal or worth another try, without values or SQL."""

import re
from collections.abc import Mapping
from typing import Final

from services.etl.pipeline.errors import TargetBusy, TargetRefused, TargetUnfit
from shared.engines import mysql
from shared.errors import PenstockError

_NO_ACCESS: Final = 1044
REFERRED: Final = 1701
"""What the server says to a TRUNCATE of a table at which foreign keys of others point."""
_BUSY: Final[Mapping[int, str]] = {
    1205: "a lock on the table did not come free in time",
    1213: "the server ended a deadlock",
    1317: "the server ended the statement",
    1969: "the statement took too long",
    3024: "the statement took too long",
    1021: "its disk is full",
    1114: "its disk is full",
    1037: "it is out of memory",
    1040: "it has no free connection",
    1203: "it has no free connection",
    1226: "it has no free connection",
}
_UNFIT: Final[Mapping[int, str]] = {
    1049: "its database is not there",
    1146: "it is not there",
    1356: "it is no plain table",
}
_REFUSED: Final[Mapping[int, str]] = {
    _NO_ACCESS: "the user may not do this",
    1142: "the user may not do this",
    1143: "the user may not do this",
    1227: "the user may not do this",
    1290: "the database is read-only",
    1836: "the database is read-only",
    1792: "the database is read-only",
    1644: "a trigger of the table refuses a row",
    1048: "a column that must have a value is NULL",
    1062: "a row has the key of another one",
    1263: "a column that must have a value is NULL",
    1264: "a number is out of range",
    1265: "a value does not fit exactly, or is too long",
    1292: "a value is none of the column's type",
    1366: "a value is none of the column's type, or has characters that it can't hold",
    1406: "a value is too long",
    1451: "another row refers to one that would go",
    1452: "a row refers to one that is not there",
    REFERRED: "foreign keys of other tables point at it",
    1526: "a row fits into no partition of the table",
    3819: "a row breaks a check of the table",
    4025: "a row breaks a check of the table",
}
_KEY: Final = re.compile(r"for key '([^']{1,200})'$")
_DENIED: Final = re.compile(r"^([A-Z]{1,10}(?:, [A-Z]{1,10}){0,5}) command denied ")
_COLUMN: Final = re.compile(
    r"(?:(?:for|NOT NULL) column (?:`[^`]+`\.`[^`]+`\.)?|^Column )[`']([^`']{1,64})[`']"
    r" (?:at row \d+|cannot be null)$"
)


def needing(privilege: str, error: TargetRefused) -> TargetRefused:
    """The same error, with the privilege where it was that: for a whole database the server doesn't say."""
    lacking = is_number(error, _NO_ACCESS)
    return TargetRefused(reason=f"{_REFUSED[_NO_ACCESS]}: it needs {privilege}") if lacking else error


def is_number(error: PenstockError, *numbers: int) -> bool:
    """Whether the server said one of these numbers."""
    return error.__cause__ is not None and mysql.number_of(error.__cause__) in numbers


def translated(error: BaseException) -> PenstockError:
    """The error of a job for an error of the driver."""
    number = mysql.number_of(error)
    if number is None or mysql.is_lost(error):
        return TargetBusy(reason="the connection broke")
    if number in _BUSY:
        return TargetBusy(reason=_BUSY[number])
    if number in _UNFIT:
        return TargetUnfit(reason=_UNFIT[number])
    return _refused(number, str(error.args[1]) if len(error.args) > 1 else "")


def warned(number: int, said: str) -> TargetRefused:
    """The error of a job for a warning: the server would have kept something else than what was sent."""
    return _refused(number, said)


def _refused(number: int, said: str) -> TargetRefused:
    reason = _REFUSED.get(number, f"error {number}")
    if place := _KEY.search(said):
        reason += f" ({place[1]})"
    elif place := _COLUMN.search(said):
        reason += f", column {place[1]}"
    elif lacking := _DENIED.match(said):
        reason += f": it needs {lacking[1]}"
    return TargetRefused(reason=reason)
