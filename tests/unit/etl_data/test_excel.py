"""Reading workbooks: typed cells, tables anywhere in a sheet, and files that nobody should trust."""

import datetime as dt
import zipfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from services.etl.loaders import _excel_reader, _excel_workbook
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files_errors import CompressionBomb, WorkbookInvalid
from services.etl.loaders.excel import Excel
from services.etl.pipeline import errors
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.step import ParamsInvalid
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all
from tests.unit.etl_data.workbooks import Raw, error, workbook

DAY = dt.date(2026, 1, 31)
MOMENT = dt.datetime(2026, 1, 31, 12, 30, 15)  # noqa: DTZ001  cells have no zone


def loader(types: Mapping[str, str], **params: Any) -> Excel:
    columns = [{"name": name, "type": kind} for name, kind in types.items()]
    return Excel.of({"file_id": str(uuid7()), "columns": columns} | params)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(content: bytes | Sequence[Sequence[Any]], types: Mapping[str, str], **params: Any) -> Read:
        path = tmp_path / "file.xlsx"
        path.write_bytes(content if isinstance(content, bytes) else workbook({"Sheet1": content}))
        return read_all(loader(types, **params), [path])

    return read


@pytest.mark.parametrize(
    ("value", "kind", "wanted"),
    [
        (5.0, "int64", 5),
        (5, "text", "5"),
        (1.5, "decimal(9,2)", Decimal("1.50")),
        (0.1 + 0.2, "decimal(9,2)", Decimal("0.30")),
        (0.1 + 0.2, "float64", 0.1 + 0.2),
        (1e-7, "text", "0.0000001"),
        (9007199254740992, "int64", 9007199254740992),
        (True, "boolean", True),
        (0, "boolean", False),
        (" x ", "text", " x "),
        ("007", "int16", 7),
        (DAY, "date", DAY),
        (DAY, "timestamp", dt.datetime(2026, 1, 31)),  # noqa: DTZ001  cells have no zone
        (MOMENT, "timestamp", MOMENT),
        (MOMENT, "text", "2026-01-31T12:30:15"),
        (dt.time(1, 2, 3), "time", dt.time(1, 2, 3)),
        (Raw('<c r="{r}" s="4"><v>1.5</v></c>'), "text", "36:00:00"),
        (Raw('<c r="{r}" t="str"><f>A1</f><v>#N/A</v></c>'), "text", "#N/A"),
    ],
)
def test_cells_have_types_of_their_own(read: Any, value: Any, kind: str, wanted: Any) -> None:
    assert read([["a"], [value]], {"a": kind}).rows == [(wanted,)]


@pytest.mark.parametrize(
    ("value", "kind", "code"),
    [
        (1.5, "int64", "not_an_integer"),
        (1e19, "int64", "out_of_range"),
        (1.005, "decimal(9,2)", "too_precise"),
        (True, "int64", "not_an_integer"),
        (MOMENT, "date", "not_a_date"),
        (MOMENT, "timestamptz", "zone_missing"),
        (Raw('<c r="{r}" s="4"><v>1.5</v></c>'), "time", "not_a_time"),
        (error("#DIV/0!"), "text", "error_cell"),
    ],
)
def test_a_cell_that_does_not_fit_costs_its_row(read: Any, value: Any, kind: str, code: str) -> None:
    found = read([["a", "b"], [value, "x"], [None, "y"]], {"a": kind, "b": "text"})
    assert (found.rows, found.rejects) == ([(None, "y")], [(1, 2, "a", code)])
    assert found.rejected[0].value is not None
    assert found.rejected[0].raw is not None


def test_a_row_whose_only_cell_is_an_error_is_no_blank_one(read: Any) -> None:
    found = read([["a"], [error("#N/A")], [None], ["x"]], {"a": "text"})
    assert (found.rows, found.rejects, found.filtered) == ([("x",)], [(1, 2, "a", "error_cell")], 1)
    assert found.rejected[0].value == "#N/A"


def test_texts_are_dates_in_their_format_beside_cells_that_are_dates(read: Any) -> None:
    columns = [{"name": "a", "type": "date", "format": "%d.%m.%Y"}]
    found = read([["a"], ["01.02.2026"], [DAY], ["2026-01-01"]], {}, columns=columns)
    assert found.rows == [(dt.date(2026, 2, 1),), (DAY,)]
    assert found.rejects == [(3, 4, "a", "not_a_date")]


def test_empty_cells_and_words_for_null_are_null(read: Any) -> None:
    rows = [["a", "b"], ["", "x"], [" NA ", "y"], [None, None], [1, None]]
    found = read(rows, {"a": "int64", "b": "text"}, null_tokens=["NA"], trim=True)
    assert found.rows == [(None, "x"), (None, "y"), (1, None)]
    assert (found.records, found.lines, found.filtered) == ([1, 2, 4], [2, 3, 5], 1)


def test_a_table_lies_anywhere_in_a_sheet(read: Any) -> None:
    rows = [
        [],
        ["title"],
        [None, None, "b", "a"],
        [None, None, "x", 1],
        [None, None, "y", 2, "note"],
        ["sum"],
    ]
    types = {"a": "int64", "b": "text"}
    assert read(rows, types, cells="C3:D5").rows == [(1, "x"), (2, "y")]
    assert read(rows, types, cells="C3:D5").lines == [4, 5]
    assert read(rows, types, cells="C4:D5", header=False, columns=[
        {"name": "b", "type": "text"}, {"name": "a", "type": "int64"},
    ]).rows == [("x", 1), ("y", 2)]  # fmt: skip
    assert read(rows, types, cells="C3").rejects == [(2, 5, None, "ragged_row")]
    assert read(rows, types, cells="C3:D").filtered == 1


def test_a_sheet_of_one_row_can_be_a_record(read: Any) -> None:
    assert read([[7]], {"a": "int64"}, header=False).rows == [(7,)]


def test_a_sheet_is_found_by_its_name(read: Any) -> None:
    content = workbook({"one": [["a"], [1]], "t\u00fc&o": [["a"], [2]]})
    assert read(content, {"a": "int64"}).rows == [(1,)]
    assert read(content, {"a": "int64"}, sheet="t\u00fc&o").rows == [(2,)]
    with pytest.raises(WorkbookInvalid, match="it has 'one'"):
        read(content, {"a": "int64"}, sheet="two")


def test_batches_make_no_difference(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a"], *([at if at % 3 else None] for at in range(50))]
    whole = read(rows, {"a": "int64"})
    monkeypatch.setattr(_excel_reader, "BATCH_ROWS", 7)
    assert read(rows, {"a": "int64"}) == whole


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([], errors.FileEmpty),
        ([["a", "a"], [1, 2]], errors.HeaderDuplicate),
        ([["b"], [1]], errors.HeaderChanged),
        ([["a", "b"], [1, 2]], errors.HeaderChanged),
    ],
)
def test_a_header_that_is_not_the_declared_one_is_refused(
    read: Any, rows: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(rows, {"a": "int64"})


def replaced(**parts: str | bytes) -> bytes:
    """A workbook with parts of its own choice."""
    names = {"book": "xl/workbook.xml", "sheet": "xl/worksheets/sheet1.xml", "styles": "xl/styles.xml"}
    return workbook({"a": [["a"], [1]]}, parts={names[key]: part for key, part in parts.items()})


LAUGHS = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>'
FAR = "<worksheet><sheetData><row><c r='A1'><v>1</v></c></row><row><c r='XFD1048576'><v>1</v></c></row>{}"
UNTRUSTED: list[tuple[bytes, type[Exception], str]] = [
    (b"", WorkbookInvalid, "no .xlsx"),
    (b"a,b\n1,2\n", WorkbookInvalid, "no .xlsx"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, WorkbookInvalid, "encrypted"),
    (workbook({"a": [["a"], [1]]})[:-40], WorkbookInvalid, "no .xlsx"),
    (replaced(sheet=LAUGHS), WorkbookInvalid, "document type"),
    (replaced(book=LAUGHS), WorkbookInvalid, "document type"),
    (replaced(sheet=FAR), WorkbookInvalid, "save the table as CSV"),
    (replaced(sheet="<worksheet><sheetData><row><c><v>1</v></c></row>"), WorkbookInvalid, "without a place"),
    (replaced(sheet=FAR.encode("utf-16")), WorkbookInvalid, "not UTF-8"),
    (replaced(book="<workbook"), WorkbookInvalid, "damaged"),
    (replaced(sheet="<worksheet><sheetData><row r='1'><c r='A1'><v>1"), WorkbookInvalid, "damaged"),
    (replaced(styles="\0" * (80 << 20)), CompressionBomb, "times its size"),
]


@pytest.mark.parametrize(("content", "error", "words"), UNTRUSTED)
def test_a_workbook_that_can_not_be_trusted_is_refused(
    read: Any, content: bytes, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        read(content, {"a": "int64"})


def test_no_workbook_unpacks_to_more_than_the_limit(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = workbook({"Sheet1": [["a"], [1]]})
    assert read(content, {"a": "int64"}).rows == [(1,)]
    monkeypatch.setattr(_excel_workbook, "MAX_UNPACKED", 100)
    with pytest.raises(CompressionBomb):
        read(content, {"a": "int64"})


def test_an_archive_that_lies_about_its_parts_is_refused(read: Any) -> None:
    content = bytearray(replaced(styles="x" * 100_000))
    for record in (b"PK\x01\x02", b"PK\x03\x04"):
        at = content.rfind(
            b"xl/styles.xml", 0, None if record == b"PK\x01\x02" else content.find(b"PK\x01\x02")
        )
        size = at - (46 - 24) if record == b"PK\x01\x02" else at - (30 - 22)
        content[size : size + 4] = (10).to_bytes(4, "little")
    with pytest.raises(WorkbookInvalid, match="damaged"):
        read(bytes(content), {"a": "int64"})


def test_parts_of_equal_names_are_refused(read: Any) -> None:
    target = BytesIO(workbook({"a": [["a"], [1]]}))
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("xl/worksheets/sheet1.xml", FAR)
    with pytest.raises(WorkbookInvalid, match="equal names"):
        read(target.getvalue(), {"a": "int64"})


def test_cells_are_looked_at_across_chunks(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a"], *([error("#N/A") if at % 5 else at] for at in range(40))]
    whole = read(rows, {"a": "int64"})
    monkeypatch.setattr(_excel_workbook, "_CHUNK", 100)
    monkeypatch.setattr(_excel_workbook, "_OVERLAP", 80)
    assert read(rows, {"a": "int64"}) == whole
    assert len(whole.rejected) == 32


@pytest.mark.parametrize("cells", ["B3:A1", "3", "A0", "b3", "A1:", "A5:B4"])
def test_a_range_that_can_not_be_is_refused(cells: str) -> None:
    with pytest.raises(ParamsInvalid):
        loader({"a": "text"}, cells=cells)


def test_a_preview_tells_the_types_of_the_cells(tmp_path: Path) -> None:
    path = tmp_path / "file.xlsx"
    rows: list[list[Any]] = [
        ["id", "price", "day", "seen", "ok", "code", "share", "odd"],
        [1, 1.5, DAY, MOMENT, True, "007", 1 / 3, "x"],
        [2, 20, DAY, DAY, False, "8", 2 / 3, error("#REF!")],
        [3, None, None, None, None, None, None, 1],
    ]
    path.write_bytes(workbook({"one": rows, "two": []}))
    spec = PreviewSpec(source=JobSource(loader="excel", params={}), rows=2)
    result: PreviewResult = Excel.preview(spec, Source((SourceFile(path, path.stat().st_size),)))
    assert {column.name: str(column.type) for column in result.columns} == {
        "id": "int64", "price": "decimal(18,1)", "day": "date", "seen": "timestamp", "ok": "boolean",
        "code": "text", "share": "float64", "odd": "text",
    }  # fmt: skip
    assert [(problem.code, problem.line) for problem in result.problems] == [
        ("sheet_chosen", None),
        ("error_cell", 3),
    ]
    assert (result.params["sheet"], result.params["header"], result.rows_read) == ("one", True, 3)
    assert result.rows[0][:3] == ["1", "1.5", "2026-01-31"]
    found = read_all(Excel.of({"file_id": str(uuid7()), **result.params}), [path])
    assert [row[0] for row in found.rows] == [1, 3]
