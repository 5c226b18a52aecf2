"""The errors of MySQL and MariaDB in our words: what a server says may quote SQL or values."""

from collections.abc import Mapping
from typing import Final

from services.etl.tables.errors import TargetBusy, TargetLost, TargetRefused
from shared.engines import mysql
from shared.errors import PenstockError

_PRIVILEGE: Final = "the user of the resource lacks the privilege for it"
_FULL: Final = "the server's disk is full"
_READ_ONLY: Final = "the server is read-only"
_DEPENDS: Final = "other objects, such as foreign keys, depend on the table"
_COMPUTED: Final = "a generated column, a check or an expression of the table uses a column that is to change"
_UNFIT: Final = "a row has a value that doesn't fit"
_TOO_LONG: Final = "a statement took too long, or somebody ended it at the server"
_REASONS: Final[Mapping[int, str]] = {
    1044: _PRIVILEGE,
    1142: _PRIVILEGE,
    1227: _PRIVILEGE,
    1370: _PRIVILEGE,
    1050: "a table or view of that name is there already",
    1062: "rows have the same values in a unique key",
    1071: "a key is longer than the server allows",
    1118: "a row could be longer than the server has room for",
    1021: _FULL,
    1114: _FULL,
    1290: _READ_ONLY,
    1792: _READ_ONLY,
    1836: _READ_ONLY,
    1217: _DEPENDS,
    1451: _DEPENDS,
    1553: _DEPENDS,
    1828: _DEPENDS,
    1829: _DEPENDS,
    1832: _DEPENDS,
    1833: _DEPENDS,
    1834: _DEPENDS,
    3730: _DEPENDS,
    3750: "the server wants a primary key in every table",
    1072: _COMPUTED,
    1901: _COMPUTED,
    3108: _COMPUTED,
    3837: _COMPUTED,
    3959: _COMPUTED,
    1138: _UNFIT,
    1264: _UNFIT,
    1265: _UNFIT,
    1292: _UNFIT,
    1366: _UNFIT,
    1406: _UNFIT,
    4025: _UNFIT,
    1317: _TOO_LONG,
    1969: _TOO_LONG,
    3024: _TOO_LONG,
}
_BUSY: Final = frozenset({1205, 1213, 3058, 3572})
"""Locks that don't come free, a deadlock."""

_NOT_SO: Final = frozenset({1845, 1846})
"""ALGORITHM=... is not supported for this operation."""


def refusal(error: Exception) -> PenstockError:
    """What an error of the driver means for who wanted a change."""
    if mysql.is_lost(error):
        return TargetLost()
    if mysql.number_of(error) in _BUSY:
        return TargetBusy()
    return TargetRefused(reason=reason(error))


def reason(error: Exception) -> str:
    """Why the server refused, for a sentence."""
    number = mysql.number_of(error)
    return _REASONS.get(number or 0, f"error {number}")


def is_algorithm_refused(error: Exception) -> bool:
    """Whether only the way that the statement asks for isn't possible."""
    return mysql.number_of(error) in _NOT_SO
