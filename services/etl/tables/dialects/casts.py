"""Which types can be cast to which: the same on every database, so that a definition can move between them.

A cast keeps the meaning of every value that it takes; what it would round, cut off or overflow is counted by
the check that comes before it. Values are spelled as texts in the way of `literals`.
"""

from collections.abc import Mapping
from typing import Final

from services.etl.columns import KINDS, ColumnType, Kind

_TEXTS: Final[frozenset[Kind]] = frozenset({"text", "varchar"})
_INTEGERS: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64"})
_NUMBERS: Final[frozenset[Kind]] = _INTEGERS | {"decimal"}
_FROM_TEXT: Final[frozenset[Kind]] = frozenset(KINDS) - {"json", "bytes", "float32", "float64"}
"""Not from text, nor to it: JSON, bytes and floats have many spellings, on each database others."""

_CASTS: Final[Mapping[Kind, frozenset[Kind]]] = {
    "int16": _NUMBERS | _TEXTS | {"float64"},
    "int32": _NUMBERS | _TEXTS | {"float64"},
    "int64": _NUMBERS | _TEXTS,
    "decimal": _NUMBERS | _TEXTS,
    **dict.fromkeys(_TEXTS, _FROM_TEXT),
    "boolean": _TEXTS | _INTEGERS,
    "float32": frozenset({"float64"}),
    "float64": frozenset(),
    "date": _TEXTS | {"timestamp"},
    "time": _TEXTS,
    "timestamp": _TEXTS | {"date", "timestamptz"},
    "timestamptz": _TEXTS | {"timestamp"},
    "uuid": _TEXTS,
    "json": frozenset(),
    "bytes": frozenset(),
}


def castable(before: ColumnType, after: ColumnType) -> bool:
    """Whether a column of the one type can become one of the other with its values.

    Times without zone are taken as UTC, and come from times with zone as UTC. True is 1, false is 0.
    """
    return before.kind == after.kind or after.kind in _CASTS[before.kind]
