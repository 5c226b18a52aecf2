"""Whatever is not declared is in the collected object, exactly as declaring it would have read it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.loaders import _csv_reader, _undeclared
from services.etl.loaders.csv import Csv
from services.etl.loaders.json import Json
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.json_paths import Number, dumps
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all

COLLECT = {"extra_columns": "collect", "extra_column": "not declared"}
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
names = st.lists(texts.filter(bool), min_size=1, max_size=5, unique=True)
quiet = settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]], int]:
    """Names, rows of texts and NULL, and how many of the columns are declared."""
    columns = draw(names)
    row = st.lists(st.none() | texts, min_size=len(columns), max_size=len(columns))
    rows = draw(st.lists(row.filter(any), min_size=1, max_size=12))
    return columns, rows, draw(st.integers(1, len(columns)))


def declared(columns: list[str], kind: str = "text") -> dict[str, Any]:
    return {"file_id": str(uuid7()), "columns": [{"name": name, "type": kind} for name in columns]}


def agree(whole: Read, part: Read, columns: list[str], count: int) -> None:
    """What both readings say of every row is the same."""
    assert part.rejects == whole.rejects == []
    assert (part.records, part.lines, part.raw) == (whole.records, whole.lines, whole.raw)
    for (*values, rest), row in zip(part.rows, whole.rows, strict=True):
        assert values == list(row[:count])
        others = dict(zip(columns[count:], row[count:], strict=True))
        there = {name: value for name, value in others.items() if value is not None}
        assert (json.loads(rest) if rest is not None else {}) == there
        assert rest == (json.dumps(there, ensure_ascii=False, separators=(",", ":")) if there else None)


def as_csv(columns: list[str], rows: list[list[str | None]]) -> bytes:
    """A file in which NULL stands without quotes, and all else in them."""
    target = io.StringIO()
    csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(columns)
    for row in rows:
        cells = ("" if cell is None else '"{}"'.format(cell.replace('"', '""')) for cell in row)
        target.write(",".join(cells) + "\n")
    return target.getvalue().encode()


@given(table=tables(), block=st.integers(250, 600), room=st.integers(1, 200))
@quiet
def test_of_texts_in_a_csv(
    table: tuple[list[str], list[list[str | None]], int], block: int, room: int, tmp_path: Path
) -> None:
    columns, rows, count = table
    path = tmp_path / "file"
    path.write_bytes(as_csv(columns, rows))
    whole = read_all(Csv.of(declared(columns)), [path])
    assert [list(row) for row in whole.rows] == rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_csv_reader, "BLOCK_SIZE", max(block, 4 * len(path.read_bytes()) // len(rows) + 250))
        patch.setattr(_undeclared, "ROOM", room)
        part = read_all(Csv.of(declared(columns[:count]) | COLLECT), [path])
    agree(whole, part, columns, count)


@given(table=tables(), room=st.integers(1, 200))
@quiet
def test_of_texts_in_parquet(
    table: tuple[list[str], list[list[str | None]], int], room: int, tmp_path: Path
) -> None:
    columns, rows, count = table
    values = [pa.array(list(column), pa.string()) for column in zip(*rows, strict=True)]
    path = tmp_path / "file"
    pq.write_table(pa.table(values, names=columns), path)
    whole = read_all(Parquet.of(declared(columns)), [path])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_undeclared, "ROOM", room)
        part = read_all(Parquet.of(declared(columns[:count]) | COLLECT), [path])
    agree(whole, part, columns, count)


spellings = st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers()
values = st.recursive(
    st.none() | st.booleans() | spellings.map(Number) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(records=st.lists(st.dictionaries(texts.filter(bool), values, max_size=5), min_size=1, max_size=8))
@quiet
def test_of_values_in_json(records: list[dict[str, Any]], tmp_path: Path) -> None:
    columns = sorted({key for record in records for key in record})[:2] or ["a"]
    path = tmp_path / "file"
    path.write_text("\n".join(map(dumps, records)))
    read = read_all(Json.of(declared(columns, "json") | COLLECT), [path])
    assert read.rejects == []
    for (*_, rest), record in zip(read.rows, records, strict=True):
        there = {key: value for key, value in record.items() if key not in columns}
        assert rest == (dumps(there) if there else None)
