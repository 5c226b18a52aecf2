"""Pieces of SQL for a step's own DuckDB. Plain Python; columns are `c0`, `c1`, ... there."""

from collections.abc import Iterable, Mapping
from typing import Final

from services.etl.columns import INTEGER_RANGES, Columns, ColumnType, Kind

MAX_DIGITS: Final = 38
_TYPES: Final[Mapping[Kind, str]] = {
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "boolean": "BOOLEAN",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "json": "VARCHAR",
    "uuid": "VARCHAR",
    "bytes": "BLOB",
}


def sql_type(kind: ColumnType) -> str:
    """The type of a column as DuckDB calls it: that of its Arrow form."""
    if kind.kind == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    return _TYPES[kind.kind]


def names(columns: Columns, wanted: Iterable[str]) -> list[str]:
    """What these columns are called in SQL."""
    places = {name: at for at, name in enumerate(columns.names)}
    return [f"c{places[name]}" for name in wanted]


def common_type(left: ColumnType, right: ColumnType) -> str | None:
    """The SQL type in which the values of both can be compared exactly, or None where there is none."""
    if left.is_text and right.is_text:
        return "VARCHAR"
    if left.is_integer and right.is_integer:
        return "BIGINT"
    if {left.kind, right.kind} <= {"decimal", *INTEGER_RANGES}:
        scale = max(left.scale or 0, right.scale or 0)
        whole = max(_whole_digits(left), _whole_digits(right))
        return f"DECIMAL({MAX_DIGITS},{scale})" if whole + scale <= MAX_DIGITS else None
    return sql_type(left) if left.kind == right.kind else None


def _whole_digits(kind: ColumnType) -> int:
    if kind.kind == "decimal":
        return (kind.precision or 0) - (kind.scale or 0)
    return len(str(INTEGER_RANGES[kind.kind][1]))


def quoted(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"
