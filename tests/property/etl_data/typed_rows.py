"""Random rows of random columns of all types, for tests of steps."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from typing import Any, Final

import pyarrow as pa
from hypothesis import strategies as st

from services.etl.columns import Column, Columns, ColumnType, Kind
from services.etl.pipeline.arrow_types import arrow_schema

_EXACT: Final = Context(prec=60)
NAMES: Final = ("a", "b", "self", "日", "x y", "index", "0")
TYPES: Final = (
    "text", "text", "text", "text", "json", "json", "varchar(6)", "boolean", "int16", "int32", "int64",
    "decimal(5,2)", "decimal(38,10)", "float32", "float64", "date", "time", "timestamp", "timestamptz",
    "uuid", "bytes",
)  # fmt: skip
words = st.sampled_from(
    [
        "",
        " ",
        "a",
        "b",
        "A-b",
        "1,2",
        "1.5",
        "-7",
        "x@y.z",
        "2026-02-28",
        "31/02/2026",
        '{"a":[1]}',
        "[1,2]",
        "é\u200b",
    ]
)
texts = words | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
_PLAIN: Final[Mapping[Kind, st.SearchStrategy[Any]]] = {
    "text": texts,
    "varchar": texts.map(lambda text: text[:6]),
    "boolean": st.booleans(),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(),
    "timestamptz": st.datetimes(timezones=st.just(dt.UTC)),
    "json": trees.map(lambda tree: json.dumps(tree, ensure_ascii=False)),
    "uuid": st.uuids().map(str),
    "bytes": st.binary(max_size=4),
}


def values(kind: ColumnType) -> st.SearchStrategy[Any]:
    """Values of a type, NULL not among them."""
    if kind.kind != "decimal":
        return _PLAIN[kind.kind]
    most, scale = 10 ** (kind.precision or 1) - 1, kind.scale or 0
    return st.integers(-most, most).map(lambda digits: Decimal(digits).scaleb(-scale, _EXACT))


@st.composite
def tables(draw: st.DrawFn, *, max_rows: int = 8) -> tuple[Columns, list[dict[str, Any]]]:
    """Columns, of which some are never NULL, and some rows of theirs."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    columns = Columns(
        Column(name=name, type=ColumnType.parse(draw(st.sampled_from(TYPES))), nullable=draw(st.booleans()))
        for name in names
    )
    cells = {
        column.name: st.none() | values(column.type) if column.nullable else values(column.type)
        for column in columns
    }
    return columns, draw(st.lists(st.fixed_dictionaries(cells), max_size=max_rows))


def batch_of(columns: Columns, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as a record batch of exactly the columns' types."""
    return pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=arrow_schema(columns))
