"""The forms that CSV comes in: lines that are no records, encodings, signs of single columns."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.etl.loaders import _csv_guess, _csv_reader
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files_bytes import FileBytes
from services.etl.loaders._text_bytes import Utf8Bytes
from services.etl.loaders.csv import Csv
from services.etl.pipeline import errors
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.step import ParamsInvalid
from services.etl.previews.definition import PreviewSpec
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all

COLUMNS = [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}]


def loader(**params: Any) -> Csv:
    return Csv.of({"file_id": str(uuid7()), "columns": COLUMNS} | params)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(content: bytes | str, **params: Any) -> Read:
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_all(loader(**params), [path])

    return read


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_before_the_header_are_skipped_and_counted(read: Any, newline: str) -> None:
    content = newline.join(['Report "of', "2026", "a,b", "1,x", "y,2", ""])
    found = read(content, skip_rows=2)
    assert (found.rows, found.lines, found.rejects) == ([(1, "x")], [4], [(2, 5, "a", "not_an_integer")])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_line_end_that_is_cut_by_a_block_is_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"x\r\ny\r\na,b\r\n")
    content = Utf8Bytes(FileBytes(SourceFile(path, path.stat().st_size), "none"), skip=2)
    read = b"".join(iter(lambda: content.read(size), b""))
    content.close()
    assert read == b"a,b\r\n"


def test_more_lines_to_skip_than_there_are_leave_an_empty_file(read: Any) -> None:
    with pytest.raises(errors.FileEmpty):
        read("a,b\n1,x\n", skip_rows=5)


def test_comments_are_left_out_wherever_they_stand(read: Any) -> None:
    content = '# made "by hand\n#\na,b\n1,x\n# half, "way\n2,#y\n#3,z\n'
    found = read(content, comment="#", multi_line=False)
    assert (found.rows, found.lines, found.filtered) == ([(1, "x"), (2, "#y")], [4, 6], 2)
    assert found.records == [1, 3]


def test_where_values_end_on_their_line_an_open_quote_costs_one_row(read: Any) -> None:
    content = 'a,b\n1,"x\n2,"y ""z"""\n3,5" pipe\n4,"a"b"\n5,"6",7","8\n'
    found = read(content, multi_line=False)
    assert found.rows == [(2, 'y "z"'), (3, '5" pipe'), (4, 'ab"')]
    assert found.rejects == [(1, 2, None, "quote_open"), (5, 6, None, "quote_open")]
    assert [row.raw for row in found.rejected] == ['1,"x', '5,"6",7","8']


def test_where_values_end_on_their_line_a_header_does_too(read: Any) -> None:
    with pytest.raises(errors.HeaderInvalid):
        read('a,"b\n1,x"\n', multi_line=False, extra_columns="ignore")


def test_an_escape_hides_a_quote_from_the_end_of_its_line(read: Any) -> None:
    found = read('a,b\n1,"x\\"\n2,"y\\""\n', multi_line=False, escape="\\")
    assert (found.rows, found.rejects) == ([(2, 'y"')], [(1, 2, None, "quote_open")])


def test_a_file_of_one_column_can_have_comments(read: Any) -> None:
    columns = [{"name": "b", "type": "text"}]
    found = read('b\n#x\n"y\nz\n', comment="#", multi_line=False, columns=columns)
    assert (found.rows, found.filtered) == ([("z",)], 1)
    assert found.rejects == [(2, 3, None, "quote_open")]


def test_a_record_may_be_as_long_as_is_declared(read: Any) -> None:
    content = b'a,b\n1,"' + b"x\n" * (5 << 19) + b'"\n'
    with pytest.raises(errors.RecordTooLong):
        read(content)
    assert len(read(content, max_record_mib=8).rows[0][1]) == 5 << 20


ENCODED = {
    "utf-16": "\u6771\u20ac", "utf-16-le": "\u6771\u20ac", "utf-16-be": "\u6771\u20ac", "cp1250": "\u0159",
    "cp1251": "\u0436", "cp1252": "\u20ac", "cp1253": "\u03b1", "cp1254": "\u015f", "iso-8859-1": "\u00e9",
    "iso-8859-2": "\u0159", "iso-8859-15": "\u20ac", "koi8-r": "\u0436", "gb18030": "\u6771\U00020000",
    "big5": "\u6771", "shift_jis": "\u30ab", "euc_jp": "\u30ab", "euc_kr": "\ud55c",
}  # fmt: skip


@pytest.mark.parametrize(("encoding", "text"), ENCODED.items())
def test_every_declared_encoding_is_read(read: Any, encoding: str, text: str) -> None:
    content = f"a,b\n1,{text}\n".encode(encoding)
    assert read(content, encoding=encoding).rows == [(1, text)]


def test_bytes_that_do_not_fit_can_be_replaced(read: Any) -> None:
    assert read(b"a,b\n1,caf\xe9\n", errors="replace").rows == [(1, "caf\ufffd")]
    assert read(b"a,b\n1,\x81\n", encoding="cp1252", errors="replace").rows == [(1, "\ufffd")]


def test_a_column_can_be_spelled_in_its_own_way(read: Any) -> None:
    columns = [
        {"name": "a", "type": "decimal(9,2)", "decimal_sign": ",", "thousands_sign": "."},
        {"name": "b", "type": "decimal(9,2)"},
        {"name": "c", "type": "boolean", "true_tokens": ["ja"], "false_tokens": ["nein"]},
        {"name": "d", "type": "int64", "null_tokens": ["-", "?"], "trim": True},
        {"name": "e", "type": "text"},
    ]
    found = read('a;b;c;d;e\n1.234,50;1234.50;ja; ? ; -\n0,5;.5;NEIN;"-";?\n', columns=columns, delimiter=";")
    assert found.rows == [
        (Decimal("1234.50"), Decimal("1234.50"), True, None, " -"),
        (Decimal("0.50"), Decimal("0.50"), False, None, "?"),
    ]


def test_a_record_is_known_as_text_again(read: Any) -> None:
    content = 'a,b\n1,"x,\n""y"""\n2,\n3,""\n'
    assert read(content).raw == {1: '1,"x,\n""y"""', 2: "2,", 3: "3,"}
    assert read("a;b\n1;'x;y'\n", delimiter=";", quote="'").raw == {1: "1;'x;y'"}
    assert read('a\tb\n1\tx"y\n', delimiter="\t", quote=None).raw == {1: '1\tx"y'}


@pytest.mark.parametrize(
    "params",
    [
        {"comment": "#"},
        {"comment": ",", "multi_line": False},
        {"thousands_sign": ",", "columns": [{"name": "a", "type": "int64", "decimal_sign": ","}]},
        {"max_record_mib": 65},
        {"skip_rows": -1},
        {"encoding": "utf-7"},
    ],
)
def test_forms_that_can_not_be_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ParamsInvalid):
        loader(**params)


@pytest.mark.parametrize(
    ("content", "encoding", "others"),
    [
        (b"\xef\xbb\xbfa", "utf-8", False),
        ("caf\u00e9".encode(), "utf-8", False),
        ("a,b\n".encode("utf-16"), "utf-16", False),
        ("a,b\n".encode("utf-16-le"), "utf-16-le", False),
        ("a,b\n".encode("utf-16-be"), "utf-16-be", False),
        ("caf\u00e9,na\u00efve\n".encode("cp1252"), "cp1252", True),
        ("\u540d\u5b57,\u4ef7\u683c\n\u5de5\u5177,1\n".encode("gb18030"), "gb18030", True),
        ("\u30ab\u30bf\u30ab\u30ca,\u5024\u6bb5\n".encode("shift_jis"), "shift_jis", True),
    ],
)
def test_an_encoding_is_guessed_and_a_doubt_is_told(content: bytes, encoding: str, others: bool) -> None:
    found = _csv_guess.encoding(content)
    assert (found.encoding, bool(found.others)) == (encoding, others)


@pytest.mark.parametrize("at", [0.55, 0.99])
def test_signs_that_come_late_in_a_file_are_seen(tmp_path: Path, at: float) -> None:
    path, lines = tmp_path / "file.csv", [b"1,plain text\n"] * 300_000
    lines[int(len(lines) * at)] = "2,caf\u00e9\n".encode("cp1252")
    path.write_bytes(b"a,b\n" + b"".join(lines))
    spec = PreviewSpec(source=JobSource(loader="csv", params={}), rows=1)
    result = Csv.preview(spec, Source((SourceFile(path, path.stat().st_size),)))
    assert result.params["encoding"] == "cp1252"
    assert [problem.code for problem in result.problems] == ["encoding_guessed"]


lines = st.sampled_from(
    ["1,x", "2,", "# no", '#"', '3,"y"', '4,"open', '"5",z', "6", "7,a,b", "", '8,"a"""', '9,x"', "#,#"]
)


@given(
    content=st.lists(lines, max_size=30), newline=st.sampled_from(["\n", "\r\n"]), block=st.integers(90, 300)
)
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_of_any_size_give_the_same_rows_line_by_line(
    content: list[str], newline: str, block: int, tmp_path: Path
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(newline.join(["a,b", *content, ""]).encode())
    whole = read_all(loader(comment="#", multi_line=False), [path])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_csv_reader, "BLOCK_SIZE", block)
        parts = read_all(loader(comment="#", multi_line=False), [path])
    assert parts == whole
    assert whole.lines == [record + 1 for record in whole.records]
