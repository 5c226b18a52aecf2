"""Arrow columns as SQLite keeps them, and which declared types keep them unchanged.

SQLite's numeric affinity would make 0123 a number and round decimals, so decimals, dates and times are text,
in columns whose declared type says both (section 3 of SQLite's "Datatypes In SQLite").
"""

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType, Kind
from services.etl.pipeline.casting import decimal_text, moment_text

_KEEPS: Final[Mapping[Kind, frozenset[str]]] = {
    "boolean": frozenset({"INTEGER", "NUMERIC", "BLOB"}),
    "int16": frozenset({"INTEGER", "NUMERIC", "BLOB"}),
    "int32": frozenset({"INTEGER", "NUMERIC", "BLOB"}),
    "int64": frozenset({"INTEGER", "NUMERIC", "BLOB"}),
    "float32": frozenset({"REAL", "BLOB"}),
    "float64": frozenset({"REAL", "BLOB"}),
    "bytes": frozenset({"INTEGER", "NUMERIC", "BLOB", "REAL", "TEXT"}),
}
_KEEPS_TEXT: Final = frozenset({"TEXT", "BLOB"})


def affinity(declared: str) -> str:
    """The affinity of a declared type, by SQLite's five rules in their order."""
    spelled = declared.upper()
    if "INT" in spelled:
        return "INTEGER"
    if any(word in spelled for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if not spelled or "BLOB" in spelled:
        return "BLOB"
    if any(word in spelled for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def keeps(declared: str, kind: ColumnType) -> bool:
    """Whether a column of this declared type keeps values of the kind as they are."""
    return affinity(declared) in _KEEPS.get(kind.kind, _KEEPS_TEXT)


def values(array: Any) -> list[Any]:
    """A column as the values that are bound: int, float, str, bytes or None."""
    kind = array.type
    if pa.types.is_boolean(kind):
        array = pc.cast(array, pa.int8())
    elif pa.types.is_decimal(kind):
        array = decimal_text(array)
    elif pa.types.is_timestamp(kind) and kind.tz is not None:
        array = moment_text(array)
    elif pa.types.is_temporal(kind):
        array = pc.cast(array, pa.string())
    bound: list[Any] = array.to_pylist()
    return bound
