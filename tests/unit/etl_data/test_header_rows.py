"""Headers of several rows in text files and workbooks."""

from pathlib import Path
from typing import Any

import pytest

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files import FileLoader
from services.etl.loaders._header_rows import joined
from services.etl.loaders.csv import Csv
from services.etl.loaders.excel import Excel
from services.etl.pipeline.errors import EncodingInvalid, FileEmpty, HeaderInvalid
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.step import ParamsInvalid
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all
from tests.unit.etl_data.workbooks import workbook

NAMES = ["id", "2023 Q1", "2023 Q2"]
TWO_ROWS = ',2023,\n"id",Q1,"Q2"\n1,a,b\n'


def loader(kind: type[FileLoader], names: list[str] = NAMES, **params: Any) -> Any:
    columns = [{"name": name, "type": "text"} for name in names]
    return kind.of({"file_id": str(uuid7()), "columns": columns, "header_rows": 2} | params)


def read(path: Path, content: str | bytes, names: list[str] = NAMES, **params: Any) -> Read:
    path = path / "file.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_all(loader(Csv, names, **{"header_fill": True} | params), [path])


def look(kind: type[FileLoader], path: Path, **params: Any) -> PreviewResult:
    spec = PreviewSpec(source=JobSource(loader=kind.name, params={"header_rows": 2} | params))
    return kind.preview(spec, Source((SourceFile(path, path.stat().st_size),)))


def test_parts_of_a_name_are_joined_and_empty_ones_left_out() -> None:
    rows = [["", "2023", "2023"], ["id", "Q1", ""], ["", "net", "gross"]]
    assert joined(rows, " ", fill=False) == ["id", "2023 Q1 net", "2023 gross"]
    assert joined(rows, "_", fill=True) == ["id", "2023_Q1_net", "2023_Q1_gross"]


def test_a_value_is_taken_to_the_right_until_a_row_above_it_changes() -> None:
    rows = [["A", "", "B", ""], ["x", "", "", "y"], ["1", "2", "3", "4"]]
    assert joined(rows, " ", fill=True) == ["A x 1", "A x 2", "B 3", "B y 4"]


def test_the_last_row_is_never_filled() -> None:
    assert joined([["a", ""], ["b", ""]], "-", fill=True) == ["a-b", "a"]


def test_records_and_lines_are_counted_behind_the_whole_header(tmp_path: Path) -> None:
    found = read(tmp_path, ',2023,\n"id","Q\n1",Q2\n1,a,b\n2\n3,c,d\n', ["id", "2023 Q\n1", "2023 Q2"])
    assert found.rows == [("1", "a", "b"), ("3", "c", "d")]
    assert (found.records, found.lines) == ([1, 3], [4, 6])
    assert found.rejects == [(2, 5, None, "ragged_row")]


def test_comments_between_the_rows_of_a_header_count_as_lines_alone(tmp_path: Path) -> None:
    content = "# one\n,2023,\n# two\nid,Q1,Q2\n# three\n1,a,b\n2\n"
    found = read(tmp_path, content, multi_line=False, comment="#")
    assert (found.rows, found.records, found.lines) == ([("1", "a", "b")], [2], [6])
    assert found.rejects == [(3, 7, None, "ragged_row")]
    columns = look(Csv, tmp_path / "file.csv", multi_line=False, comment="#", header_fill=True).columns
    assert [column.name for column in columns] == NAMES


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_header_may_end_lines_in_any_way(tmp_path: Path, newline: str) -> None:
    for multi_line in (True, False):
        found = read(tmp_path, TWO_ROWS.replace("\n", newline), multi_line=multi_line)
        assert found.rows == [("1", "a", "b")]


def test_rows_of_a_header_that_differ_in_their_fields_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderInvalid, match="its rows have 2 and 3 fields"):
        read(tmp_path, "a,b\nid,Q1,Q2\n1,a,b\n")


def test_a_file_that_ends_within_its_header_is_empty(tmp_path: Path) -> None:
    with pytest.raises(FileEmpty):
        read(tmp_path, ",2023,\n")
    path = tmp_path / "file.xlsx"
    path.write_bytes(workbook({"sheet": [["id", "2023", "2023"]]}))
    with pytest.raises(FileEmpty):
        read_all(loader(Excel), [path])


def test_a_bad_byte_in_the_second_row_of_a_header_is_told(tmp_path: Path) -> None:
    with pytest.raises(EncodingInvalid):
        read(tmp_path, b",2023,\nid,Q\xff,Q2\n1,a,b\n")
    assert read(tmp_path, TWO_ROWS.encode() + b"2,\xff,b\n").rows == [("1", "a", "b")]


def test_undeclared_columns_are_collected_under_their_joined_names(tmp_path: Path) -> None:
    collect = {"extra_columns": "collect", "extra_column": "rest"}
    assert read(tmp_path, TWO_ROWS, ["id"], **collect).rows == [("1", '{"2023 Q1":"a","2023 Q2":"b"}')]


def test_a_workbook_may_have_a_header_of_several_rows(tmp_path: Path) -> None:
    path = tmp_path / "file.xlsx"
    path.write_bytes(workbook({"sheet": [["title"], [None, 2023], ["id", "Q1", "Q2"], ["1", "a", "b"]]}))
    found = read_all(loader(Excel, header_fill=True, cells="A2"), [path])
    assert (found.rows, found.records, found.lines) == ([("1", "a", "b")], [1], [4])


@pytest.mark.parametrize("kind", [Csv, Excel])
def test_a_preview_proposes_the_joined_names(tmp_path: Path, kind: type[FileLoader]) -> None:
    path = tmp_path / "file"
    table = [["", "2023", ""], ["id", "Q1", "Q2"], ["1", "a", "b"]]
    text = "".join(",".join(row) + "\n" for row in table).encode()
    path.write_bytes(text if kind is Csv else workbook({"sheet": table}))
    seen = look(kind, path, header_fill=True, header_separator=" ")
    assert [column.name for column in seen.columns] == NAMES
    assert seen.rows == [["1", "a", "b"]]
    assert seen.rows_read == 1
    assert seen.params["header"] is True
    found = read_all(kind.of(seen.params | {"file_id": str(uuid7())}), [path])
    assert [tuple(map(str, row)) for row in found.rows] == [("1", "a", "b")]


def test_rows_of_a_header_that_is_not_there_are_refused() -> None:
    with pytest.raises(ParamsInvalid) as refused:
        loader(Csv, header=False)
    assert [fault.loc for fault in refused.value.all_faults()] == [("header_rows",)]
