"""Reading JSON: exact numbers, and what every odd file comes to."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.etl.loaders import _files_errors, _json_array, _json_lines
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders.json import Json
from services.etl.pipeline import errors
from services.etl.pipeline.job import JobSource
from services.etl.pipeline.step import ParamsInvalid
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.errors import PenstockError
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all

COLUMNS = [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}]


def loader(**params: Any) -> Json:
    return Json.of({"file_id": str(uuid7()), "columns": COLUMNS} | params)


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(content: bytes | str, **params: Any) -> Read:
        path = tmp_path / "file.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_all(loader(**params), [path])

    return read


def test_a_line_is_a_record_and_a_missing_key_is_null(read: Any) -> None:
    found = read('{"a":1,"b":"x"}\n\n{"b":null}\r\n{"a":2}')
    assert found.rows == [(1, "x"), (None, None), (2, None)]
    assert (found.records, found.lines, found.filtered) == ([1, 3, 4], [1, 3, 4], 1)


def test_numbers_never_pass_through_a_float(read: Any) -> None:
    columns = [{"name": "n", "type": "decimal(38,18)"}, {"name": "i", "type": "int64"}]
    found = read('{"n":12345678901234567890.123456789012345678,"i":9223372036854775807}\n', columns=columns)
    assert found.rows == [(Decimal("12345678901234567890.123456789012345678"), 9223372036854775807)]


def test_nested_values_become_json_with_their_numbers_as_they_were(read: Any) -> None:
    columns = [{"name": "tree", "type": "json"}]
    found = read('{"tree": {"b": [1.50, 1E3, "\\u00fc"], "a": null}}\n{"tree": "x"}\n', columns=columns)
    assert found.rows == [('{"b":[1.50,1E3,"\u00fc"],"a":null}',), ('"x"',)]


def test_a_path_leads_into_objects_and_lists(read: Any) -> None:
    columns = [
        {"name": "city", "type": "text", "path": "address.city"},
        {"name": "first", "type": "int64", "path": 'items[0]."unit.price"'},
    ]
    content = '{"address":{"city":"Ulm"},"items":[{"unit.price":7}]}\n{"address":null,"items":[]}\n'
    assert read(content, columns=columns).rows == [("Ulm", 7), (None, None)]


def test_a_missing_key_can_cost_its_row_while_null_does_not(read: Any) -> None:
    found = read('{"a":null,"b":"x"}\n{"b":"y"}\n', missing="reject")
    assert (found.rows, found.rejects) == ([(None, "x")], [(2, 2, "a", "key_missing")])


BROKEN = [
    ("nope", "not_json", None),
    ('{"a":1', "not_json", None),
    ('{"a":1} {"a":2}', "not_json", None),
    ('{"a":NaN}', "not_json", None),
    ('{"a":1,"a":2}', "key_duplicate", None),
    ('{"b":"\\ud800"}', "invalid_encoding", "b"),
    ('{"b":"x\\u0000"}', "nul_character", "b"),
    ('{"b":{"c":1}}', "nested_value", "b"),
    ('{"a":1.0}', "not_an_integer", "a"),
    ("[1]", "not_an_object", None),
    ("[" * 100_000, "too_deep", None),
]


@pytest.mark.parametrize(("line", "code", "column"), BROKEN)
def test_a_broken_line_costs_one_row_and_is_kept_as_it_was(
    read: Any, line: str, code: str, column: str | None
) -> None:
    found = read(f'{{"a":1}}\n{line}\n{{"a":2}}\n')
    assert found.rows == [(1, None), (2, None)]
    assert found.rejects == [(2, 2, column, code)]
    assert found.rejected[0].raw == line


def test_bytes_that_are_not_utf8_cost_one_row(read: Any) -> None:
    found = read(b'{"b":"caf\xe9"}\n{"b":"ok"}\n')
    assert (found.rows, found.rejects) == ([(None, "ok")], [(1, 1, None, "invalid_encoding")])


def test_every_record_is_known_as_it_was_written(read: Any) -> None:
    assert read('{"a": 1}\n{"a":2 }\n').raw == {1: '{"a": 1}', 2: '{"a":2 }'}


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("layout", ["lines", "array"])
def test_blocks_of_any_size_give_the_same_rows(
    read: Any, monkeypatch: pytest.MonkeyPatch, size: int, layout: str
) -> None:
    texts = [json.dumps({"a": at, "b": "\u20ac" * at + '"]}'}, ensure_ascii=False) for at in range(9)]
    content = "\n".join(texts) if layout == "lines" else " [\n" + ",\n".join(texts) + "\n]\n"
    monkeypatch.setattr(_json_lines, "BLOCK_SIZE", size)
    monkeypatch.setattr(_json_array, "BLOCK_SIZE", size)
    found = read(content, layout=layout)
    assert found.rows == [(at, "\u20ac" * at + '"]}') for at in range(9)]
    assert found.lines == list(range(1, 10) if layout == "lines" else range(2, 11))
    assert found.raw == dict(enumerate(texts, 1))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_number_is_not_cut_where_a_block_ends(
    read: Any, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(_json_array, "BLOCK_SIZE", size)
    found = read('[12345, {"a":1}, 678]', layout="array")
    assert (found.rows, found.records) == ([(1, None)], [2])
    assert [row.raw for row in found.rejected] == ["12345", "678"]


def test_an_array_lies_where_its_path_says(read: Any) -> None:
    content = '{"n":{"items":1},"data":{"x":[],"items":[{"a":1},\n{"a":"x"}],"y":[{}]},"z":"]"}'
    found = read(content, layout="array", records_path="data.items")
    assert (found.rows, found.rejects) == ([(1, None)], [(2, 2, "a", "not_an_integer")])


def test_an_empty_array_has_no_rows(read: Any) -> None:
    assert read("[ ]", layout="array").rows == []


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_lines_that_are_none_have_no_rows(read: Any, content: str) -> None:
    assert read(content).rows == []


FAILURES: list[tuple[bytes, type[PenstockError], dict[str, Any]]] = [
    (b"", errors.FileEmpty, {"layout": "array"}),
    (b'{"a":1,"c":2}\n', _files_errors.KeyUndeclared, {}),
    (b'{"b":"' + b"x" * (9 << 20), errors.RecordTooLong, {}),
    (b'[{"b":"' + b"x" * (10 << 20), errors.RecordTooLong, {"layout": "array"}),
    (b'[{"a":1}', _files_errors.JsonInvalid, {"layout": "array"}),
    (b'[{"a":1},]', _files_errors.JsonInvalid, {"layout": "array"}),
    (b'[{"a":1}{"a":2}]', _files_errors.JsonInvalid, {"layout": "array"}),
    (b'[{"a":1}] x', _files_errors.JsonInvalid, {"layout": "array"}),
    (b'[{"a":tru}]', _files_errors.JsonInvalid, {"layout": "array"}),
    (b'{"a":1}', _files_errors.JsonInvalid, {"layout": "array"}),
    (b"[" * 100_000, _files_errors.JsonInvalid, {"layout": "array"}),
    (b'{"x":[]}', _files_errors.JsonInvalid, {"layout": "array", "records_path": "data"}),
    (b'[{"b":"\xff"}]', errors.EncodingInvalid, {"layout": "array"}),
    (b'[{"b":"x"}]\xe2', errors.EncodingInvalid, {"layout": "array"}),
]


@pytest.mark.parametrize(("content", "error", "params"), FAILURES)
def test_a_file_that_can_not_be_read_says_why(
    read: Any, content: bytes, error: type[PenstockError], params: dict[str, Any]
) -> None:
    with pytest.raises(errors.SourceInvalid) as raised:
        read(content, **params)
    assert type(raised.value) is error


def test_the_end_of_a_broken_array_is_told_with_its_line(read: Any) -> None:
    with pytest.raises(_files_errors.JsonInvalid, match="ends too early, at line 3"):
        read('[{"a":1},\n{"a":2},\n{"a"', layout="array")


def test_undeclared_keys_are_ignored_when_told_so(read: Any) -> None:
    assert read('{"a":1,"c":2}\n', extra_columns="ignore").rows == [(1, None)]


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"columns": [{"name": "a", "type": "text", "path": "a..b"}]}, ("columns", 0)),
        ({"records_path": "data[0]"}, ("records_path",)),
        ({"layout": "objects"}, ("layout",)),
        (
            {"columns": [{"name": "a", "type": "int64", "nullable": False, "on_error": "null"}]},
            ("columns", 0),
        ),
    ],
)
def test_parameters_that_can_not_be_are_refused_with_their_place(
    params: dict[str, Any], place: tuple[Any, ...]
) -> None:
    with pytest.raises(ParamsInvalid) as raised:
        loader(**params)
    assert [fault.loc for fault in raised.value.all_faults()] == [place]


@pytest.fixture
def look(tmp_path: Path) -> Any:
    def look(content: str, **params: Any) -> PreviewResult:
        path = tmp_path / "file.json"
        path.write_text(content)
        spec = PreviewSpec(source=JobSource(loader="json", params=params), rows=5)
        return Json.preview(spec, Source((SourceFile(path, path.stat().st_size, None, path.name),)))

    return look


MIXED = [
    {"id": 1, "code": "007", "price": 1.5, "seen": "2026-01-01T00:00:00Z", "ok": True, "tags": ["x"]},
    {"id": 2, "code": "8", "price": 20, "seen": "2026-01-02T00:00:00+02:00", "ok": None, "late": {"a": 1}},
]


@pytest.mark.parametrize("layout", ["lines", "array"])
def test_a_preview_tells_the_layout_and_the_types_of_all_keys(look: Any, read: Any, layout: str) -> None:
    content = "\n".join(map(json.dumps, MIXED)) if layout == "lines" else json.dumps(MIXED, indent=1)
    result = look(content)
    assert {column.name: str(column.type) for column in result.columns} == {
        "id": "int64", "code": "text", "price": "decimal(18,1)", "seen": "timestamptz", "ok": "boolean",
        "tags": "json", "late": "json",
    }  # fmt: skip
    assert all(column.reason for column in result.columns)
    assert (result.params["layout"], result.rows_read, result.complete) == (layout, 2, True)
    assert result.rows[1] == ["2", "8", "20", "2026-01-02T00:00:00+02:00", None, None, '{"a":1}']
    assert [row[0] for row in read(content, **result.params).rows] == [1, 2]


def test_a_preview_names_no_column_by_half_a_character(look: Any) -> None:
    shown = look('{"id": 1, "\\ud800": "\\ud800"}\n')
    assert [column.name for column in shown.columns] == ["id"]
    assert [problem.code for problem in shown.problems] == ["header_invalid"]
    orjson.dumps(shown.model_dump(mode="json"))


def test_a_preview_tells_of_broken_lines(look: Any) -> None:
    result = look('{"a":1}\nnope\n{"":1}\n')
    assert {(problem.code, problem.line) for problem in result.problems} == {
        ("header_invalid", None),
        ("not_json", 2),
    }
