"""What a preview that is given the declared columns tells of the others."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files import FileLoader
from services.etl.loaders.csv import Csv
from services.etl.loaders.excel import Excel
from services.etl.loaders.json import Json
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.job import JobSource
from services.etl.previews.definition import PreviewSpec
from tests.unit.etl_data.workbooks import workbook

COLUMNS = [{"name": "a", "type": "int64"}]


def look(kind: type[FileLoader], path: Path, **params: Any) -> list[tuple[str, str | None, str]]:
    """The problems that a preview tells of: code, column and severity."""
    spec = PreviewSpec(source=JobSource(loader=kind.name, params={"columns": COLUMNS} | params))
    seen = kind.preview(spec, Source((SourceFile(path, path.stat().st_size),)))
    assert seen.params["columns"] == params.get("columns", COLUMNS)
    return [(problem.code, problem.column, problem.severity) for problem in seen.problems]


@pytest.fixture(params=[Csv, Json, Excel, Parquet])
def file(request: Any, tmp_path: Path) -> tuple[type[FileLoader], Path]:
    """A loader and a file of it with the columns a, b and c."""
    kind, path = request.param, tmp_path / "file"
    contents = {
        Csv: b"a,b,c\n1,x,y\n",
        Json: b'{"a":1,"b":"x","c":{"d":"y"}}',
        Excel: workbook({"sheet": [["a", "b", "c"], [1, "x", "y"]]}),
    }
    if kind is Parquet:
        pq.write_table(pa.table({"a": [1], "b": ["x"], "c": ["y"]}), path)
    else:
        path.write_bytes(contents[kind])
    return kind, path


@pytest.mark.parametrize(
    ("params", "severity"),
    [
        ({}, "error"),
        ({"extra_columns": "ignore"}, "warning"),
        ({"extra_columns": "collect", "extra_column": "rest"}, "warning"),
    ],
)
def test_a_preview_shows_what_is_not_declared(
    file: tuple[type[FileLoader], Path], params: dict[str, Any], severity: str
) -> None:
    assert look(*file, **params) == [
        ("column_undeclared", "b", severity),
        ("column_undeclared", "c", severity),
    ]


def test_a_preview_shows_what_is_declared_and_not_there(file: tuple[type[FileLoader], Path]) -> None:
    columns = [{"name": name, "type": "text"} for name in ("a", "b", "c", "gone")]
    told = [] if file[0] is Json else [("column_missing", "gone", "error")]
    assert look(*file, columns=columns) == told


def test_a_key_that_a_path_goes_into_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"a":1,"b":{"x":1,"y":2}}')
    columns = [*COLUMNS, {"name": "x", "type": "text", "path": "b.x"}]
    assert look(Json, path, columns=columns) == []


def test_columns_to_collect_mean_that_there_is_a_header(tmp_path: Path) -> None:
    collect = {"extra_columns": "collect", "extra_column": "rest", "columns": [{"name": "1", "type": "text"}]}
    (tmp_path / "file").write_bytes(b"1,2\n3,4\n")
    assert look(Csv, tmp_path / "file", **collect) == [("column_undeclared", "2", "warning")]
    (tmp_path / "file").write_bytes(workbook({"sheet": [[1, 2], [3, 4]]}))
    assert look(Excel, tmp_path / "file", **collect) == [("column_undeclared", "2", "warning")]
