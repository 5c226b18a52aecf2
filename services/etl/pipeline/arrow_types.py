"""How the neutral column types lie in memory: one Arrow type for each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa

from services.etl.columns import Columns, ColumnType, Kind

_TYPES: Final[Mapping[Kind, Callable[[ColumnType], Any]]] = {
    "text": lambda _: pa.string(),
    "varchar": lambda _: pa.string(),
    "boolean": lambda _: pa.bool_(),
    "int16": lambda _: pa.int16(),
    "int32": lambda _: pa.int32(),
    "int64": lambda _: pa.int64(),
    "decimal": lambda kind: pa.decimal128(kind.precision, kind.scale),
    "float32": lambda _: pa.float32(),
    "float64": lambda _: pa.float64(),
    "date": lambda _: pa.date32(),
    "time": lambda _: pa.time64("us"),
    "timestamp": lambda _: pa.timestamp("us"),
    "timestamptz": lambda _: pa.timestamp("us", "UTC"),
    "json": lambda _: pa.string(),
    "uuid": lambda _: pa.string(),
    "bytes": lambda _: pa.binary(),
}


def arrow_type(kind: ColumnType) -> Any:
    """The `pyarrow.DataType` of a column; JSON and UUIDs are strings in their canonical form."""
    return _TYPES[kind.kind](kind)


def arrow_schema(columns: Columns) -> Any:
    """The `pyarrow.Schema` of the columns, in order. Nullability is checked apart from it."""
    return pa.schema([pa.field(column.name, arrow_type(column.type)) for column in columns])
