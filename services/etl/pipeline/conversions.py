"""Which types can become which: plain Python, for validation without data."""

from typing import Final

from services.etl.columns import ColumnType, Kind

_NUMBERS: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64", "decimal", "float32", "float64"})
_TEXTS: Final[frozenset[Kind]] = frozenset({"text", "varchar"})
_INTEGERS: Final[frozenset[Kind]] = frozenset({"int16", "int32", "int64"})


def can_cast(source: ColumnType, target: ColumnType) -> bool:
    """Whether `cast_types` can try it: every value then either fits exactly or is rejected."""
    if can_store(source, target) or source.is_text:
        return True
    if target.is_text:
        return source.kind != "bytes"
    if target.kind == "boolean" or source.kind == "boolean":
        return {source.kind, target.kind} - {"boolean"} <= _INTEGERS
    return source.kind in {"timestamp", "timestamptz", "date"} and target.kind in {
        "timestamp",
        "timestamptz",
        "date",
    }


def needs_timezone(source: ColumnType, target: ColumnType) -> bool:
    """Whether wall clock times have to be told their zone first."""
    return target.kind == "timestamptz" and source.kind in {"timestamp", "date"}


def can_store(source: ColumnType, target: ColumnType) -> bool:
    """Whether a destination may take the values as they are, checking each one's range and length."""
    if source.kind == target.kind:
        return True
    if target.kind in _TEXTS:
        return source.kind in _TEXTS | {"uuid", "json"}
    if target.kind in _NUMBERS:
        return source.kind in _NUMBERS
    return source.kind == "date" and target.kind == "timestamp"
