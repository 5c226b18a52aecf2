"""Columns that nobody declared: collected as JSON, exactly, and never mixed up with those declared."""

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.etl.loaders import _undeclared
from services.etl.loaders._files import FileLoader
from services.etl.loaders.csv import Csv
from services.etl.loaders.excel import Excel
from services.etl.loaders.json import Json
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline.errors import HeaderInvalid
from services.etl.pipeline.step import ParamsInvalid
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all
from tests.unit.etl_data.workbooks import error, workbook

COLUMNS = [{"name": "a", "type": "int64"}]


def collecting(kind: type[FileLoader], **params: Any) -> Any:
    given = {"file_id": str(uuid7()), "columns": COLUMNS, "extra_columns": "collect", "extra_column": "rest"}
    return kind.of(given | params)


def read_csv(path: Path, content: str | bytes, **params: Any) -> Read:
    path = path / "file.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_all(collecting(Csv, **params), [path])


def read_json(path: Path, *records: str, **params: Any) -> Read:
    path = path / "file.json"
    path.write_text("\n".join(records))
    return read_all(collecting(Json, **params), [path])


def read_sheet(path: Path, *rows: Sequence[Any], **params: Any) -> Read:
    path = path / "file.xlsx"
    path.write_bytes(workbook({"sheet": rows}))
    return read_all(collecting(Excel, **params), [path])


def read_parquet(path: Path, **columns: Any) -> Read:
    path = path / "file.parquet"
    pq.write_table(pa.table(columns), path)
    return read_all(collecting(Parquet), [path])


def test_undeclared_columns_of_a_csv_become_an_object_of_their_texts(tmp_path: Path) -> None:
    read = read_csv(tmp_path, 'a,b,colour\n1, 01.50 ,red\n2,,""\n3,,\n', trim=True)
    assert read.rows == [(1, '{"b":" 01.50 ","colour":"red"}'), (2, '{"colour":""}'), (3, None)]


def test_every_sign_that_json_must_escape_comes_back_as_it_was(tmp_path: Path) -> None:
    text = "".join(map(chr, range(1, 0x80))) + "\u00fc\u4e2d\U0001f600\u2028"
    quoted = text.replace('"', '""')
    read = read_csv(tmp_path, f'a,"{quoted}"\n1,"{quoted}"\n2,plain\n')
    assert [json.loads(rest) for _, rest in read.rows] == [{text: text}, {text: "plain"}]


def test_what_is_no_text_costs_its_row_and_names_the_column(tmp_path: Path) -> None:
    read = read_csv(tmp_path, b"a,b\n1,\xe9\xff\n2,\x00\n3,x\n4\n")
    assert read.rows == [(3, '{"b":"x"}')]
    assert read.rejects == [
        (1, 2, "rest", "invalid_encoding"), (2, 3, "rest", "nul_character"), (4, 5, None, "ragged_row"),
    ]  # fmt: skip
    assert read.rejected[0].reason == "is not UTF-8 in 'b'"


def test_without_an_undeclared_column_the_object_is_null(tmp_path: Path) -> None:
    assert read_csv(tmp_path, "a\n1\n").rows == [(1, None)]
    assert read_json(tmp_path, '{"a":1}').rows == [(1, None)]
    assert read_sheet(tmp_path, ["a"], [1]).rows == [(1, None)]
    assert read_parquet(tmp_path, a=[1]).rows == [(1, None)]


def test_the_collected_values_stand_before_the_name_of_the_file(tmp_path: Path) -> None:
    read = read_csv(tmp_path, "b,a\nx,1\n", file_column="file")
    assert read.rows == [(1, '{"b":"x"}', "file.csv")]


def test_many_names_make_small_batches_and_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{at},x{at}" if at % 7 else f"{at},x,y" for at in range(1, 60)]
    content = "\n".join(["a,b", *lines])
    whole = read_csv(tmp_path, content)
    monkeypatch.setattr(_undeclared, "ROOM", 20)
    assert _undeclared.rows_at_once(["b"]) == 4
    assert read_csv(tmp_path, content) == whole
    assert len(whole.rows) == 51
    assert len(whole.rejects) == 8


def test_comments_and_open_quotes_count_once_in_small_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "a,b\n" + '1,x\n# no row\n2,"y\n' * 20
    whole = read_csv(tmp_path, content, multi_line=False, comment="#")
    assert (len(whole.rows), len(whole.rejects), whole.filtered) == (20, 20, 20)
    monkeypatch.setattr(_undeclared, "ROOM", 20)
    assert read_csv(tmp_path, content, multi_line=False, comment="#") == whole


def test_keys_of_json_keep_their_spelling_their_order_and_their_nulls(tmp_path: Path) -> None:
    read = read_json(tmp_path, '{"z": 1.10, "a": 1, "b": {"x": [1e2, null]}, "c": null}', '{"a": 2}')
    assert read.rows == [(1, '{"z":1.10,"b":{"x":[1e2,null]},"c":null}'), (2, None)]


def test_what_paths_leave_of_an_object_is_collected(tmp_path: Path) -> None:
    columns = [
        {"name": "city", "type": "text", "path": "address.city"},
        {"name": "sku", "type": "text", "path": "items[0].sku"},
        {"name": "geo", "type": "json", "path": "address.geo"},
        {"name": "lat", "type": "text", "path": "address.geo.lat"},
    ]
    read = read_json(
        tmp_path,
        '{"address": {"city": "Bonn", "zip": "53111", "geo": {"lat": 1, "lon": 2}}}',
        '{"address": {"city": "Bonn"}, "items": [{"sku": "s", "size": 3}]}',
        '{"address": "unknown"}',
        '{"items": {"0": {"sku": "s"}}}',
        columns=columns,
    )
    assert [row[-1] for row in read.rows] == [
        '{"address":{"zip":"53111"}}',
        '{"items":[{"sku":"s","size":3}]}',
        '{"address":"unknown"}',
        '{"items":{"0":{"sku":"s"}}}',
    ]


def test_a_nul_or_half_a_pair_in_a_collected_value_costs_the_row(tmp_path: Path) -> None:
    read = read_json(tmp_path, '{"a":1,"b":"\\u0000"}', '{"a":2,"b":"\\ud800"}', '{"a":3,"b":"\\\\u0000"}')
    assert read.rows == [(3, '{"b":"\\\\u0000"}')]
    assert read.rejects == [(1, 1, "rest", "nul_character"), (2, 2, "rest", "invalid_encoding")]


def test_cells_of_a_workbook_are_numbers_words_and_texts(tmp_path: Path) -> None:
    read = read_sheet(
        tmp_path,
        ["a", "number", "text", "day"],
        [1, 0.1 + 0.2, "x", dt.date(2024, 1, 2)],
        [2, True, "NA", dt.datetime(2024, 1, 2, 3, 4, 5)],  # noqa: DTZ001  a workbook has no zones
        [3, error("#DIV/0!"), None, 10**18],
        [4, 1, 2, 3, "beyond the header"],
        null_tokens=["NA"],
    )
    assert read.rows == [
        (1, '{"number":0.3,"text":"x","day":"2024-01-02"}'),
        (2, '{"number":true,"day":"2024-01-02T03:04:05"}'),
        (3, '{"number":"#DIV/0!","day":1000000000000000000}'),
    ]
    assert read.rejects == [(4, 5, None, "ragged_row")]


def test_values_of_parquet_are_exact(tmp_path: Path) -> None:
    columns = {
        "whole": (pa.array([2**64 - 1, None], pa.uint64()), "18446744073709551615"),
        "decimal": (pa.array([Decimal("0.00000001"), None], pa.decimal128(38, 8)), "0.00000001"),
        "small": (pa.array([0.1, None], pa.float32()), "0.1"),
        "odd": (pa.array([float("-inf"), float("nan")]), '"-Infinity"'),
        "text": (pa.array(['"\\\n', None]), r'"\"\\\n"'),
        "word": (pa.array([False, None]), "false"),
        "day": (pa.array([dt.date(1, 1, 1), None]), '"0001-01-01"'),
        "milli": (pa.array([86_400_000, None], pa.date64()), '"1970-01-02"'),
        "clock": (pa.array([1, None], pa.time64("ns")), '"00:00:00.000000001"'),
        "moment": (pa.array([1, None], pa.timestamp("us", "Europe/Berlin")), '"1970-01-01T00:00:00.000001Z"'),
        "time": (pa.array([1, None], pa.timestamp("ns")), '"1970-01-01T00:00:00.000000001"'),
        "bytes": (pa.array([b"\xff", None]), '"/w=="'),
        "nested": (pa.array([{"x": [Decimal("1.10")]}, None]), '{"x":[1.10]}'),
        "packed": (pa.array(["p", None]).dictionary_encode(), '"p"'),
    }
    arrays = {name: array for name, (array, _) in columns.items()}
    expected = ",".join(f'"{name}":{text}' for name, (_, text) in columns.items())
    read = read_parquet(tmp_path, a=[1, 2], nothing=pa.nulls(2), **arrays)
    assert read.rows == [(1, f"{{{expected}}}"), (2, '{"odd":"NaN"}')]


@pytest.mark.parametrize(
    "time",
    [
        pa.array([3 * 10**17], pa.timestamp("us")),
        pa.array([-63 * 10**15], pa.timestamp("us", "UTC")),
        pa.array([30_000_000], pa.date32()),
        pa.array([-719_200], pa.date32()),
    ],
)
def test_a_time_beyond_the_calendar_costs_its_row(tmp_path: Path, time: Any) -> None:
    assert read_parquet(tmp_path, a=[1], time=time).rejects == [(1, None, "rest", "not_json")]


@pytest.mark.parametrize("declared", [True, False])
def test_a_time_that_json_can_not_have_costs_its_row(tmp_path: Path, declared: bool) -> None:
    times = pa.array([{"at": 3 * 10**17}, {"at": 0}], pa.struct([("at", pa.timestamp("us"))]))
    path = tmp_path / "file.parquet"
    pq.write_table(pa.table({"a": [1, 2], "times": times}), path)
    columns = [*COLUMNS, *([{"name": "times", "type": "json"}] if declared else [])]
    read = read_all(collecting(Parquet, columns=columns), [path])
    assert [row[0] for row in read.rows] == [2]
    assert read.rejects == [(1, None, "times" if declared else "rest", "not_json")]
    assert "holds a time beyond the years 1 to 9999" in read.rejected[0].reason


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["\x00", "\\u0000"]),
        pa.array(["\x00", "\\u0000"]).dictionary_encode(),
        pa.array([["\x00"], ["\\u0000"]]),
        pa.array([{"x": "\x00"}, {"x": "\\u0000"}]),
    ],
)
def test_a_nul_in_parquet_costs_its_row(tmp_path: Path, values: Any) -> None:
    read = read_parquet(tmp_path, a=[1, 2], b=values)
    assert [row[0] for row in read.rows] == [2]
    assert read.rejects == [(1, None, "rest", "nul_character")]


def test_a_name_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderInvalid, match="has 256 characters"):
        read_parquet(tmp_path, a=[1], **{"x" * 256: ["y"]})


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"extra_column": None}, "extra_column"),
        ({"extra_columns": "ignore"}, "extra_column"),
        ({"extra_column": "a"}, "columns"),
        ({"file_column": "rest"}, "extra_column"),
        ({"header": False}, "header"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_at_its_place(params: dict[str, Any], place: str) -> None:
    with pytest.raises(ParamsInvalid) as refused:
        collecting(Csv, **params)
    assert [fault.loc for fault in refused.value.all_faults()] == [(place,)]
