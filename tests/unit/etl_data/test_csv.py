"""Reading CSV: the contract for every odd file."""

from pathlib import Path
from typing import Any

import pytest

from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders.csv import Csv
from services.etl.pipeline import errors
from services.etl.pipeline.step import ParamsInvalid
from shared.errors import PenstockError
from shared.identifiers import uuid7

COLUMNS = [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}]


def loader(**params: Any) -> Csv:
    return Csv.of({"file_id": str(uuid7()), "columns": COLUMNS} | params)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(content: bytes | str, **params: Any) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The rows, and (record, line, column, code) of the rejects."""
        path = tmp_path / "file.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        rows: list[tuple[Any, ...]] = []
        rejects: list[tuple[Any, ...]] = []
        with loader(**params).open(Source((SourceFile(path, path.stat().st_size),))) as reading:
            for batch in reading:
                rows += [tuple(row.values()) for row in batch.rows.to_pylist()]
                found = zip(batch.rejected, batch.rejected_lines, strict=True)
                rejects += [(row.record, line, row.column, row.code) for row, line in found]
        return rows, rejects

    return read


def test_null_is_not_the_empty_text(read: Any) -> None:
    assert read('a,b\n1,\n2,""\n') == ([(1, None), (2, "")], [])


def test_a_quoted_null_token_is_a_text_unless_told_otherwise(read: Any) -> None:
    content = 'a,b\n1,NA\n2,"NA"\n'
    assert read(content, null_tokens=["NA"]) == ([(1, None), (2, "NA")], [])
    assert read(content, null_tokens=["NA"], quoted_nulls=True) == ([(1, None), (2, None)], [])


def test_without_the_empty_token_nothing_is_an_empty_text(read: Any) -> None:
    assert read("a,b\n1,\n", null_tokens=["NA"]) == ([(1, "")], [])


def test_leading_zeros_and_large_numbers_are_kept(read: Any) -> None:
    columns = [{"name": "a", "type": "text"}, {"name": "b", "type": "int64"}]
    assert read("a,b\n01234,9223372036854775807\n,\n9,1\n", columns=columns)[0] == [
        ("01234", 9223372036854775807),
        ("9", 1),
    ]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(read: Any, newline: str) -> None:
    assert read(newline.join(["a,b", "1,x", "2,y", ""])) == ([(1, "x"), (2, "y")], [])


def test_a_last_line_without_an_end_is_a_record(read: Any) -> None:
    assert read("a,b\n1,x") == ([(1, "x")], [])


def test_newlines_delimiters_and_doubled_quotes_stand_in_quotes(read: Any) -> None:
    assert read('a,b\n1,"x,\n""y"""\n2,z\n') == ([(1, 'x,\n"y"'), (2, "z")], [])


def test_ragged_rows_are_rejected_with_their_place(read: Any) -> None:
    rows, rejects = read('a,b\n1,"two\nlines"\n2\n3,c,d\n4,e\n')
    assert rows == [(1, "two\nlines"), (4, "e")]
    assert rejects == [(2, 4, None, "ragged_row"), (3, 5, None, "ragged_row")]


def test_lines_are_counted_on_behind_a_ragged_row_of_several(read: Any) -> None:
    rows, rejects = read('a,b\n1,"x\ny",z\n2,ok\nno,"p\r\nq"\n3\n')
    assert rows == [(2, "ok")]
    assert rejects == [(1, 2, None, "ragged_row"), (3, 5, "a", "not_an_integer"), (4, 7, None, "ragged_row")]


def test_blank_lines_are_filtered_and_counted_in_the_numbers(read: Any) -> None:
    assert read("a,b\n\n1,x\n\nz,y\n") == ([(1, "x")], [(4, 5, "a", "not_an_integer")])
    assert read("a,b\n\n1,x\n", empty_rows="keep") == ([(None, None), (1, "x")], [])


def test_bytes_that_are_not_utf8_cost_one_row(read: Any) -> None:
    rows, rejects = read(b"a,b\n1,caf\xe9\n2,ok\n")
    assert (rows, rejects) == ([(2, "ok")], [(1, 2, "b", "invalid_encoding")])


def test_a_nul_character_costs_one_row(read: Any) -> None:
    assert read("a,b\n1,x\x00y\n2,ok\n") == ([(2, "ok")], [(1, 2, "b", "nul_character")])


def test_a_byte_order_mark_is_no_part_of_the_first_name(read: Any) -> None:
    assert read(b"\xef\xbb\xbfa,b\n1,x\n") == ([(1, "x")], [])


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "gb18030", "shift_jis"])
def test_declared_encodings_are_read(read: Any, encoding: str) -> None:
    text = "caf\u00e9" if encoding == "cp1252" else "\u6771\u4eac"
    assert read(f"a,b\n1,{text}\n".encode(encoding), encoding=encoding) == ([(1, text)], [])


def test_columns_are_found_by_name_whatever_their_order(read: Any) -> None:
    assert read("b,a\nx,1\n") == ([(1, "x")], [])


def test_a_file_without_a_header_is_read_by_position(read: Any) -> None:
    assert read("1,x\n2,y\n", header=False) == ([(1, "x"), (2, "y")], [])


def test_trimmed_values_are_compared_with_the_null_tokens(read: Any) -> None:
    assert read("a,b\n 1 , NA \n", trim=True, null_tokens=["NA"]) == ([(1, None)], [])


def test_a_column_that_may_not_be_null_rejects_null(read: Any) -> None:
    columns = [{"name": "a", "type": "int64", "nullable": False}, {"name": "b", "type": "text"}]
    assert read("a,b\n,x\n2,y\n", columns=columns) == ([(2, "y")], [(1, 2, "a", "null_not_allowed")])


def test_quotes_and_escapes_are_declared(read: Any) -> None:
    assert read("a;b\n1;'x;y'\n", delimiter=";", quote="'") == ([(1, "x;y")], [])
    assert read('a,b\n1,"x\\"y"\n', escape="\\") == ([(1, 'x"y')], [])
    assert read('a,b\n1,x"y\n', quote=None) == ([(1, 'x"y')], [])


FAILURES: list[tuple[bytes, type[PenstockError], dict[str, Any]]] = [
    (b"", errors.FileEmpty, {}),
    (b"\n\n", errors.FileEmpty, {}),
    (b"a\n1\n", errors.HeaderChanged, {}),
    (b"a,b,c\n1,x,y\n", errors.HeaderChanged, {}),
    (b"a,a\n1,2\n", errors.HeaderDuplicate, {}),
    (b"1,x,y\n", errors.HeaderChanged, {"header": False}),
    (b'a,"b\n1,x\n', errors.HeaderInvalid, {}),
    (b"a,b\0\n1,x\n", errors.HeaderInvalid, {}),
    (b"a,b," + b"c" * 256 + b"\n1,x,y\n", errors.HeaderInvalid, {"extra_columns": "ignore"}),
    (b'a,b\n1,"x\n2,y\n', errors.UnterminatedQuote, {}),
    (b'a,b\n1,x\n2,"', errors.UnterminatedQuote, {}),
    (b"a,b\n1,x\\\n", errors.UnterminatedQuote, {"escape": "\\"}),
    (b'a,b\n1,"' + b"x\n" * (3 << 20), errors.RecordTooLong, {}),
    (b"a,b\n1,\x81\n", errors.EncodingInvalid, {"encoding": "cp1252"}),
    (b"a,\xff\n1,x\n", errors.EncodingInvalid, {}),
]


@pytest.mark.parametrize(("content", "error", "params"), FAILURES)
def test_a_file_that_can_not_be_read_says_why(
    read: Any, content: bytes, error: type[PenstockError], params: dict[str, Any]
) -> None:
    with pytest.raises(errors.SourceInvalid) as raised:
        read(content, **params)
    assert type(raised.value) is error


def test_nothing_is_given_of_a_record_whose_quote_is_open(read: Any) -> None:
    with pytest.raises(errors.UnterminatedQuote) as raised:
        read('a,b\n1,x\n2,"open\n3,y\n')
    assert "line 3" in str(raised.value)


def test_extra_columns_are_ignored_when_told_so(read: Any) -> None:
    assert read("a,c,b\n1,9,x\n", extra_columns="ignore") == ([(1, "x")], [])


@pytest.mark.parametrize(
    "params",
    [
        {"delimiter": "ab"},
        {"delimiter": '"'},
        {"delimiter": "x"},
        {"quote": ","},
        {"encoding": "utf-7"},
        {"writerMode": "append"},
        {"columns": []},
        {"columns": [{"name": "a", "type": "int64"}, {"name": "a", "type": "text"}]},
        {"columns": [{"name": "a", "type": "date", "format": "%d.%m"}]},
        {"columns": [{"name": "a", "type": "timestamptz", "timezone": "Mars/Olympus"}]},
        {"decimal_sign": ",", "thousands_sign": ","},
    ],
)
def test_parameters_that_can_not_be_are_refused_with_their_place(params: dict[str, Any]) -> None:
    with pytest.raises(ParamsInvalid) as raised:
        loader(**params)
    assert raised.value.all_faults()
