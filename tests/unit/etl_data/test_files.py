"""Files as a source: one or many, packed or not, and what a bad value costs."""

import bz2
import gzip
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.etl.loaders import _files_bytes
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files_errors import (
    CompressionBomb,
    CompressionInvalid,
    FileRefused,
    FilesMissing,
    ValueUnfit,
)
from services.etl.loaders.csv import Csv
from services.etl.pipeline.errors import SourceChanged, SourceInvalid
from services.etl.pipeline.step import ParamsInvalid
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import read_all

COLUMNS = [{"name": "a", "type": "int64"}, {"name": "b", "type": "text"}]
TEXT = b"a,b\n1,x\n2,y\n"


def packed(codec: str, data: bytes) -> bytes:
    """The data as a file of this kind."""
    if codec == "gzip":
        return gzip.compress(data)
    return bz2.compress(data) if codec == "bz2" else bytes(pa.compress(data, "zstd", asbytes=True))


def many(**params: Any) -> Csv:
    return Csv.of({"pattern": "*.csv", "columns": COLUMNS} | params)


def one(**params: Any) -> Csv:
    return Csv.of({"file_id": str(uuid7()), "columns": COLUMNS} | params)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(*contents: bytes) -> list[Path]:
        paths = [tmp_path / f"part-{at}.csv" for at in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    return write


def test_many_files_are_one_source_whose_records_are_numbered_through(write: Any) -> None:
    files = write(TEXT, b"b,a\nz,3\n,x\n", b"a,b\n", TEXT)
    found = read_all(many(file_column="origin"), files)
    assert found.rows == [
        (1, "x", "part-0.csv"), (2, "y", "part-0.csv"), (3, "z", "part-1.csv"),
        (1, "x", "part-3.csv"), (2, "y", "part-3.csv"),
    ]  # fmt: skip
    assert found.records == [1, 2, 3, 5, 6]
    assert found.rejects == [(2, 3, "a", "not_an_integer")]
    assert found.raw == {1: "1,x", 2: "2,y", 3: "z,3", 5: "1,x", 6: "2,y"}


def test_the_file_that_is_wrong_is_named(write: Any) -> None:
    with pytest.raises(FileRefused, match=r"part-1.csv.*lacks 'b'") as raised:
        read_all(many(), write(TEXT, b"a\n1\n", TEXT))
    assert [fault.code for fault in raised.value.all_faults()] == ["header_changed"]


def test_a_pattern_that_no_file_fits_is_told() -> None:
    with pytest.raises(FilesMissing), many().open(Source()) as reading:
        next(iter(reading))


def test_only_the_wanted_records_are_read_as_if_there_were_no_others(write: Any) -> None:
    found = read_all(many(), write(TEXT, b"a,b\nx,1\n\n3,z\n", TEXT), records=frozenset({2, 3, 6}))
    assert (found.rows, found.records) == ([(2, "y"), (1, "x")], [2, 6])
    assert (len(found.rejected), found.filtered) == (1, 0)


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bz2"])
@pytest.mark.parametrize("told", [True, False])
def test_packed_files_are_read_as_a_stream(write: Any, codec: str, told: bool) -> None:
    content = b"a,b\n" + b"".join(b"%d,%s\n" % (at, b"x" * 90) for at in range(60_000))
    (path,) = write(packed(codec, content[:3_000_000]) + packed(codec, content[3_000_000:]))
    found = read_all(one(compression=codec if told else "auto"), [path])
    assert [row[0] for row in found.rows] == list(range(60_000))


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bz2"])
@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data + b"more"])
def test_a_packed_file_that_is_damaged_is_refused(write: Any, codec: str, damage: Any) -> None:
    with pytest.raises(CompressionInvalid):
        read_all(one(compression=codec), write(damage(packed(codec, TEXT * 99))))


def test_a_text_that_begins_like_a_packed_file_is_none(write: Any) -> None:
    columns = [{"name": "BZh9", "type": "text"}]
    assert read_all(one(columns=columns), write(b"BZh9\nx\n")).rows == [("x",)]


@pytest.mark.parametrize("codec", ["gzip", "zstd", "bz2"])
def test_a_bomb_is_not_unpacked(write: Any, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    monkeypatch.setattr(_files_bytes, "FREE_BYTES", 1 << 20)
    content = b"a,b\n" + b"1,x\n" * 5_000_000
    with pytest.raises(CompressionBomb, match="250 times its size"):
        read_all(one(), write(packed(codec, content)))


def test_no_file_unpacks_to_more_than_the_limit(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files_bytes, "MAX_BYTES", 1000)
    with pytest.raises(CompressionBomb):
        read_all(one(), write(gzip.compress(b"a,b\n" + b"1,x\n" * 1000)))


def test_the_known_digest_is_that_of_the_packed_file(write: Any) -> None:
    content = gzip.compress(TEXT)
    (path,) = write(content)
    good = SourceFile(path, len(content), hashlib.sha256(content).hexdigest())
    with one().open(Source((good,))) as reading:
        assert sum(len(batch.rows) for batch in reading) == 2
    with (
        pytest.raises(SourceChanged),
        one().open(Source((SourceFile(path, len(content), "0" * 64),))) as reading,
    ):
        list(reading)


def test_a_bad_value_costs_what_its_column_says(write: Any) -> None:
    content = b"a,b\nx,1\n2,y\n"
    column = {"name": "a", "type": "int64"}
    rest = [{"name": "b", "type": "text"}]
    dropped = read_all(one(columns=[column, *rest]), write(content))
    assert (dropped.rows, dropped.rejects) == ([(2, "y")], [(1, 2, "a", "not_an_integer")])
    assert dropped.rejected[0].raw == "x,1"
    nulled = read_all(one(columns=[{**column, "on_error": "null"}, *rest]), write(content))
    assert (nulled.rows, nulled.rejects) == ([(None, "1"), (2, "y")], [])
    with pytest.raises(ValueUnfit, match=r"Record 1 \(line 2\).*'a'.*is not a whole number") as raised:
        read_all(one(columns=[{**column, "on_error": "fail"}, *rest]), write(content))
    assert isinstance(raised.value, SourceInvalid)


@pytest.mark.parametrize(
    "params",
    [
        {"file_id": None},
        {"file_id": str(uuid7()), "pattern": "*"},
        {"pattern": ""},
        {"pattern": "*", "file_column": "a"},
    ],
)
def test_a_source_is_one_file_or_a_pattern(params: dict[str, Any]) -> None:
    with pytest.raises(ParamsInvalid):
        Csv.of({"columns": COLUMNS} | params)
