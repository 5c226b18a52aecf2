"""Reading Parquet: exact types, the declared columns alone, and what a damaged file comes to."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.etl.loaders import _parquet_reader
from services.etl.loaders._base import Source, SourceFile
from services.etl.loaders._files_errors import ParquetInvalid
from services.etl.loaders.parquet import Parquet
from services.etl.pipeline import errors
from services.etl.pipeline.job import JobSource
from services.etl.previews.definition import PreviewResult, PreviewSpec
from shared.errors import PenstockError
from shared.identifiers import uuid7
from tests.unit.etl_data.reading import Read, read_all

UTC = dt.UTC
NOON = dt.datetime(2026, 7, 1, 12, tzinfo=UTC)
UID = UUID("018f0000-0000-7000-8000-000000000001")


def loader(types: Mapping[str, str], **params: Any) -> Parquet:
    columns = [{"name": name, "type": kind} for name, kind in types.items()]
    return Parquet.of({"file_id": str(uuid7()), "columns": columns} | params)


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    def stored(columns: Mapping[str, Any], **options: Any) -> Path:
        path = tmp_path / "file.parquet"
        pq.write_table(pa.table(dict(columns)), path, **options)
        return path

    return stored


@pytest.fixture
def read(stored: Any) -> Any:
    def read(array: Any, kind: str, **column: Any) -> Read:
        declared = [{"name": "a", "type": kind} | column]
        return read_all(loader({}, columns=declared), [stored({"a": array})])

    return read


EXACT = [
    (pa.array([1, None], pa.int8()), "int16", [1, None]),
    (pa.array([2**32 - 1], pa.uint32()), "int64", [2**32 - 1]),
    (pa.array([2**64 - 1], pa.uint64()), "decimal(20,0)", [Decimal(2**64 - 1)]),
    (pa.array([Decimal("0.10")], pa.decimal256(40, 2)), "text", None),
    (pa.array([Decimal("-1.5")], pa.decimal128(5, 1)), "decimal(9,3)", [Decimal("-1.500")]),
    (pa.array([1.5], pa.float32()), "float64", [1.5]),
    (pa.array(["x", None, ""], pa.large_string()), "text", ["x", None, ""]),
    (pa.array(["x", "y", "x"]).dictionary_encode(), "varchar(1)", ["x", "y", "x"]),
    (pa.array([b"caf\xc3\xa9"], pa.binary()), "text", ["caf\u00e9"]),
    (pa.array([b"\x00\xff"], pa.binary(2)), "bytes", [b"\x00\xff"]),
    (pa.array([UID.bytes], pa.binary(16)), "uuid", [str(UID)]),
    (pa.array([UID.bytes], pa.uuid()), "uuid", [str(UID)]),
    (pa.array([dt.date(1, 1, 1)], pa.date32()), "date", [dt.date(1, 1, 1)]),
    (pa.array([dt.time(23, 59, 59, 999000)], pa.time32("ms")), "time", [dt.time(23, 59, 59, 999000)]),
    (pa.array([NOON], pa.timestamp("ns", "America/New_York")), "timestamptz", [NOON]),
    (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), "timestamp", [NOON.replace(tzinfo=None)]),
    (pa.array(["12"]), "int64", [12]),
    (pa.array(['{"a":1}']), "json", ['{"a":1}']),
]


@pytest.mark.parametrize(("array", "kind", "values"), EXACT)
def test_values_keep_their_exact_types(read: Any, array: Any, kind: str, values: list[Any] | None) -> None:
    if values is None:
        with pytest.raises(errors.HeaderChanged, match="can't be read as"):
            read(array, kind)
    else:
        assert [row[0] for row in read(array, kind).rows] == values


LOSSY = [
    (pa.array([2**31], pa.int64()), "int32", "lossy_cast"),
    (pa.array([2**64 - 1], pa.uint64()), "int64", "lossy_cast"),
    (pa.array([1], pa.timestamp("ns", "UTC")), "timestamptz", "lossy_cast"),
    (pa.array([1], pa.time64("ns")), "time", "lossy_cast"),
    (pa.array([0.5], pa.float64()), "int64", "lossy_cast"),
    (pa.array([float("nan")], pa.float64()), "float64", "not_finite"),
    (pa.array([Decimal("0.01")], pa.decimal128(5, 2)), "decimal(5,1)", "lossy_cast"),
    (pa.array(["too long"]), "varchar(3)", "too_long"),
    (pa.array(["x\x00y"]), "text", "nul_character"),
    (pa.array([b"\xff"], pa.binary()), "text", "invalid_encoding"),
    (pa.array([[float("inf")]], pa.list_(pa.float64())), "json", "not_json"),
    (pa.array(["nope"]), "json", "not_json"),
]


@pytest.mark.parametrize(("array", "kind", "code"), LOSSY)
def test_a_value_that_would_change_costs_its_row(read: Any, array: Any, kind: str, code: str) -> None:
    found = read(pa.concat_arrays([array, pa.nulls(1, array.type)]), kind)
    assert (found.rows, found.records) == ([(None,)], [2])
    assert found.rejects == [(1, None, "a", code)]
    assert found.rejected[0].raw is not None


def test_nested_values_become_json_without_loss(read: Any) -> None:
    kind = pa.struct(
        [
            ("n", pa.decimal128(38, 10)), ("l", pa.list_(pa.int64())), ("b", pa.binary()),
            ("m", pa.map_(pa.string(), pa.float64())), ("t", pa.timestamp("us", "UTC")),
        ]
    )  # fmt: skip
    value = {
        "n": Decimal("1234567890123456789012345678.0123456789"), "l": [2**62, None], "b": b"\xff",
        "m": [("x", 0.1)], "t": NOON,
    }  # fmt: skip
    assert read(pa.array([value, None], kind), "json").rows == [
        (
            (
                '{"n":1234567890123456789012345678.0123456789,"l":[4611686018427387904,null],"b":"/w==",'
                '"m":{"x":0.1},"t":"2026-07-01T12:00:00+00:00"}'
            ),
        ),
        (None,),
    ]


def test_times_without_a_zone_need_one(read: Any) -> None:
    array = pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us"))
    with pytest.raises(errors.HeaderChanged, match="declare their timezone"):
        read(array, "timestamptz")
    assert read(array, "timestamptz", timezone="Europe/Berlin").rows == [(NOON - dt.timedelta(hours=2),)]


def test_row_groups_and_batches_make_no_difference(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored({"a": list(range(1000)), "b": ["x" * 50] * 1000}, row_group_size=300)
    whole = read_all(loader({"a": "int64", "b": "text"}), [path])
    monkeypatch.setattr(_parquet_reader, "BATCH_ROWS", 64)
    assert read_all(loader({"a": "int64", "b": "text"}), [path]) == whole
    assert (whole.records, len(whole.rows)) == (list(range(1, 1001)), 1000)


def test_only_the_declared_columns_are_read(stored: Any) -> None:
    path = stored({"a": [1], "b": pa.array([1], pa.duration("s")), "c": ["x"]})
    assert read_all(loader({"c": "text"}, extra_columns="ignore"), [path]).rows == [("x",)]
    with pytest.raises(errors.HeaderChanged, match="which no column is declared for"):
        read_all(loader({"c": "text"}), [path])
    with pytest.raises(errors.HeaderChanged, match="it lacks 'd'"):
        read_all(loader({"d": "text"}), [path])
    with pytest.raises(errors.HeaderChanged, match="duration"):
        read_all(loader({"b": "int64"}, extra_columns="ignore"), [path])


def damaged(path: Path, at: int, by: bytes) -> None:
    """Overwrite some bytes of a file; from its end where `at` is negative."""
    data = bytearray(path.read_bytes())
    start = at if at >= 0 else len(data) + at
    data[start : start + len(by)] = by
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("at", "by"),
    [(0, b"PARE"), (-4, b"PARE"), (-8, b"\xff\xff\xff\x7f"), (30, b"\xff" * 400)],
)
def test_a_damaged_file_is_refused(stored: Any, at: int, by: bytes) -> None:
    path = stored({"a": list(range(1000))}, write_page_checksum=True)
    damaged(path, at, by)
    with pytest.raises(ParquetInvalid):
        read_all(loader({"a": "int64"}), [path])


@pytest.mark.parametrize("told", [b"\xd2\x0f", b"\x90\x01", b"\xfe\x7f"])
def test_metadata_that_lie_about_the_rows_never_make_others_of_them(stored: Any, told: bytes) -> None:
    path = stored({"a": list(range(1000))}, write_page_checksum=True)
    content, at, refused = path.read_bytes(), -1, 0
    while (at := content.find(b"\xd0\x0f", at + 1)) >= 0:  # 1000 as Thrift spells it
        path.write_bytes(content)
        damaged(path, at, told)
        try:
            assert len(read_all(loader({"a": "int64"}), [path]).rows) == 1000
        except ParquetInvalid:
            refused += 1
    assert refused > 2


FAILURES: list[tuple[bytes, type[PenstockError]]] = [
    (b"", ParquetInvalid),
    (b"a,b\n1,2\n", ParquetInvalid),
    (b"PAR1" + b"\0" * 20 + b"PAR1", ParquetInvalid),
]


@pytest.mark.parametrize(("content", "error"), FAILURES)
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes, error: type[PenstockError]) -> None:
    path = tmp_path / "file.parquet"
    path.write_bytes(content)
    with pytest.raises(error):
        read_all(loader({"a": "int64"}), [path])


def test_a_file_that_has_changed_is_refused(stored: Any) -> None:
    path = stored({"a": [1]})
    known = SourceFile(path, path.stat().st_size, "0" * 64)
    with pytest.raises(errors.SourceChanged), loader({"a": "int64"}).open(Source((known,))) as reading:
        list(reading)


def look(path: Path, **params: Any) -> PreviewResult:
    spec = PreviewSpec(source=JobSource(loader="parquet", params=params), rows=2)
    return Parquet.preview(spec, Source((SourceFile(path, path.stat().st_size, None, path.name),)))


def test_a_preview_tells_the_types_that_the_file_has(stored: Any) -> None:
    columns = {
        "a": pa.array([1, 2, 3], pa.uint64()), "b": pa.array([[1.5], None, []], pa.list_(pa.float64())),
        "c": pa.array([1, 2, 3], pa.duration("s")), "d": pa.array([NOON] * 3, pa.timestamp("ns", "UTC")),
        "e": pa.array([b"\xff"] * 3, pa.binary()),
    }  # fmt: skip
    result = look(stored(columns))
    assert {column.name: str(column.type) for column in result.columns} == {
        "a": "decimal(20,0)", "b": "json", "d": "timestamptz", "e": "bytes",
    }  # fmt: skip
    assert all("the file says" in column.reason for column in result.columns)
    assert result.rows == [
        ["1", "[1.5]", "2026-07-01T12:00:00+00:00", "/w=="],
        ["2", None, "2026-07-01T12:00:00+00:00", "/w=="],
    ]
    assert [problem.code for problem in result.problems] == ["type_unknown"]
    assert (result.rows_read, result.complete, result.params["extra_columns"]) == (3, True, "ignore")
