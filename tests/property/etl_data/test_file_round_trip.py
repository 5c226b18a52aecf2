"""Whatever typed rows are written to a file, the loader of its form reads the same values out of it."""

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from services.etl.columns import Column, Columns, ColumnType
from services.etl.destinations._file_output import Output
from services.etl.loaders._files import FileLoader
from services.etl.loaders.csv import Csv
from services.etl.loaders.json import Json
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.definition import FileForm
from shared.identifiers import uuid7
from tests.property.etl_data.typed_rows import batch_of, tables
from tests.unit.etl_data.reading import read_all

_LOADERS: Final[dict[str, type[FileLoader]]] = {"csv": Csv, "json_lines": Json, "parquet": Parquet}
packings = st.sampled_from(["none", "gzip", "zstd"])
forms = st.one_of(
    st.builds(FileForm, format=st.sampled_from(["parquet", "json_lines"]), compression=packings),
    st.builds(
        FileForm,
        format=st.just("csv"),
        compression=packings,
        delimiter=st.sampled_from([",", ";", "|", "\t"]),
        header=st.booleans(),
        null_token=st.sampled_from(["", "\\N", "NULL", "null", "NA"]),
        line_end=st.sampled_from(["lf", "crlf"]),
    ),
)


def written(columns: Columns, batches: list[Any], form: FileForm, folder: Path) -> Path:
    output = Output(folder / str(uuid7()), form, columns, most=1 << 30)
    for batch in batches:
        output.write(batch)
    output.finish()
    assert output.path.stat().st_size == output.size
    output.close(remove=False)
    return output.path


def loader_of(columns: Columns, form: FileForm) -> FileLoader:
    params: dict[str, Any] = {
        "pattern": "*",
        "columns": [column.model_dump(mode="json") for column in columns],
    }
    if form.format == "csv":
        params |= {"delimiter": form.delimiter, "header": form.header, "null_tokens": [form.null_token]}
        params |= {"empty_rows": "keep"}  # a row of one column that is NULL is an empty line
    return _LOADERS[form.format].of(params)


def told(value: Any, kind: ColumnType, form: FileForm) -> Any:
    """A value as it can be compared: JSON's null is NULL in a file of JSON."""
    if kind.kind != "json" or value is None:
        return value
    tree = json.loads(value)
    return None if tree is None and form.format == "json_lines" else json.dumps(tree)


def is_blank(columns: Columns, rows: list[dict[str, Any]], form: FileForm) -> bool:
    """Whether there is nothing in a file of CSV but ends of lines: no loader takes that for a file."""
    if form.format != "csv" or form.header:
        return False
    empty = len(columns) == 1 and not form.null_token
    return not rows or (empty and all(value is None for row in rows for value in row.values()))


ODD = Columns([Column(name='a"b', type=ColumnType("text")), Column(name="n", type=ColumnType("text"))])
ODD_ROWS: list[dict[str, Any]] = [
    {'a"b': '"', "n": None},
    {'a"b': "", "n": ""},
    {'a"b': "\r\n\t\\\x01\x7f", "n": "NULL"},
    {'a"b': "\ufeff\u2028", "n": "\\N"},
]

BYTES = Columns([Column(name="b", type=ColumnType("bytes"))])


@given(table=tables(), form=forms, cut=st.integers(1, 4))
@example(table=(ODD, ODD_ROWS), form=FileForm(format="csv", compression="none"), cut=1)
@example(table=(ODD, ODD_ROWS), form=FileForm(format="json_lines", compression="none"), cut=4)
@example(table=(ODD, []), form=FileForm(format="json_lines", compression="none"), cut=1)
@example(table=(BYTES, [{"b": b""}, {"b": None}]), form=FileForm(format="csv", compression="none"), cut=1)
@settings(max_examples=200, deadline=None)
def test_a_file_holds_the_values_that_were_written(
    table: tuple[Columns, list[dict[str, Any]]], form: FileForm, cut: int
) -> None:
    columns, rows = table
    assume(not is_blank(columns, rows, form))
    whole = batch_of(columns, rows)
    batches = [whole.slice(at, cut) for at in range(0, len(whole), cut)]
    with tempfile.TemporaryDirectory() as folder:
        path = written(columns, batches, form, Path(folder))
        loader = loader_of(Columns(Column(name=one.name, type=one.type) for one in columns), form)
        found = read_all(loader, [path])
    assert found.rejected == []
    kinds = [column.type for column in columns]
    expected = [tuple(row.values()) for row in whole.to_pylist()]

    def comparable(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
        return [[told(value, kind, form) for value, kind in zip(row, kinds, strict=True)] for row in rows]

    assert comparable(found.rows) == comparable(expected)


def test_a_file_of_parquet_has_the_types_of_its_columns(tmp_path: Path) -> None:
    kinds = ["decimal(38,10)", "uuid", "json", "timestamptz", "time", "int16", "bytes"]
    columns = Columns(Column(name=kind, type=ColumnType.parse(kind)) for kind in kinds)

    path = written(columns, [], FileForm(), tmp_path)

    assert [str(kind) for kind in pq.read_schema(path).types] == [
        "decimal128(38, 10)", "extension<arrow.uuid>", "extension<arrow.json>", "timestamp[us, tz=UTC]",
        "time64[us]", "int16", "binary",
    ]  # fmt: skip
