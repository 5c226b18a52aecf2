"""Casts keep a value exactly or name the cell."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from services.etl.columns import ColumnType
from services.etl.pipeline.casting import between
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import fits, from_text

UTC = dt.UTC


def cast_text(values: Sequence[str | None], kind: str, **form: Any) -> tuple[list[Any], dict[int, str]]:
    """The cast values, and the code of each bad cell by row."""
    cast = from_text(pa.array(list(values), pa.string()), ColumnType.parse(kind), TextForm(**form))
    return cast.array.to_pylist(), {cell.row: cell.code for cell in cast.bad}


GOOD = [
    ("int64", "9223372036854775807", 9223372036854775807),
    ("int64", "+5", 5),
    ("int16", "-32768", -32768),
    ("decimal(14,2)", "1.500", Decimal("1.50")),
    ("decimal(14,2)", "1e2", Decimal("100.00")),
    ("decimal(38,2)", "9" * 36 + ".01", Decimal("9" * 36 + ".01")),
    ("float64", "1e5", 1e5),
    ("boolean", "Yes", True),
    ("boolean", "0", False),
    ("date", "2024-02-29", dt.date(2024, 2, 29)),
    ("time", "23:59:59.5", dt.time(23, 59, 59, 500000)),
    ("timestamp", "2024-02-29T12:00", dt.datetime(2024, 2, 29, 12)),  # noqa: DTZ001  a wall clock time is meant
    ("timestamptz", "2024-02-29 12:00:00+02:00", dt.datetime(2024, 2, 29, 10, tzinfo=UTC)),
    ("json", '{"a": [1, null]}', '{"a": [1, null]}'),
    ("uuid", "018F0000-0000-7000-8000-00000000000A", "018f0000-0000-7000-8000-00000000000a"),
    ("bytes", "\\x00ff", b"\x00\xff"),
    ("varchar(3)", "a\u5de5b", "a\u5de5b"),
    ("text", "007", "007"),
]  # fmt: skip
BAD = [
    ("int64", "9223372036854775808", "out_of_range"),
    ("int64", "0x1F", "not_an_integer"),
    ("int64", "1.0", "not_an_integer"),
    ("int64", " 1", "surrounding_blanks"),
    ("int64", "", "empty"),
    ("int64", "\u0663", "not_an_integer"),
    ("decimal(14,2)", "1.005", "too_precise"),
    ("decimal(4,2)", "100", "out_of_range"),
    ("decimal(14,2)", "1,5", "not_a_number"),
    ("decimal(14,2)", "nan", "not_a_number"),
    ("float64", "nan", "not_finite"),
    ("float64", "-inf", "not_finite"),
    ("float64", "1e400", "not_finite"),
    ("float32", "1e39", "not_finite"),
    ("boolean", "2", "not_a_boolean"),
    ("date", "2023-02-29", "not_a_date"),
    ("date", "2024-02-29T00:00", "not_a_date"),
    ("time", "24:00", "not_a_time"),
    ("time", "12", "too_precise"),
    ("timestamp", "2024-02-29T12:00Z", "zone_unexpected"),
    ("timestamp", "2024-02-29T12:00:00.1234567", "not_a_timestamp"),
    ("timestamptz", "2024-02-29T12:00", "zone_missing"),
    ("timestamptz", "0001-01-01T00:00:00+05:00", "out_of_range"),
    ("json", "{'a': 1}", "not_json"),
    ("json", '"\\u0000"', "nul_character"),
    ("uuid", "018f", "not_a_uuid"),
    ("bytes", "0", "not_bytes"),
    ("varchar(3)", "abcd", "too_long"),
]


@pytest.mark.parametrize(("kind", "text", "value"), GOOD)
def test_a_value_is_kept_exactly(kind: str, text: str, value: Any) -> None:
    assert cast_text([None, text], kind) == ([None, value], {})


@pytest.mark.parametrize(("kind", "text", "code"), BAD)
def test_a_value_that_does_not_fit_is_named_and_the_others_stay(kind: str, text: str, code: str) -> None:
    family = kind.partition("(")[0]
    fitting = next((good for name, good, _ in GOOD if name.partition("(")[0] == family), "1.5")
    found, bad = cast_text([fitting, text, None, fitting], kind)
    assert bad == {1: code}
    assert found[1] is None
    assert found[0] == found[3] is not None


@pytest.mark.parametrize(("kind", "text", "code"), BAD)
def test_fits_says_the_same_as_a_cast(kind: str, text: str, code: str) -> None:
    assert not fits(pa.array([text]), ColumnType.parse(kind), TextForm())


def test_a_column_of_bad_values_is_searched_quickly_and_completely() -> None:
    values = ["x" if row % 2 else str(row) for row in range(5000)]
    found, bad = cast_text(values, "int64")
    assert len(bad) == 2500
    assert found[4998] == 4998


def test_declared_dates_are_strict_about_the_calendar() -> None:
    found, bad = cast_text(["1/3/2024", "31/02/2024", "2024-03-01"], "date", format="%d/%m/%Y")
    assert found == [dt.date(2024, 3, 1), None, None]
    assert bad == {1: "not_a_date", 2: "not_a_date"}


def test_declared_times_take_fractions_and_zones() -> None:
    found, bad = cast_text(["29.02.2024 7:05:09.25 -0500"], "timestamptz", format="%d.%m.%Y %H:%M:%S.%f %z")
    assert (found, bad) == ([dt.datetime(2024, 2, 29, 12, 5, 9, 250000, tzinfo=UTC)], {})


def test_wall_clock_times_of_a_zone_become_moments_unless_the_clock_was_turned() -> None:
    found, bad = cast_text(
        ["2013-07-01 00:00", "2013-03-10 02:30", "2013-11-03 01:30", "2013-07-01T00:00Z"],
        "timestamptz",
        timezone="America/New_York",
    )
    assert found[0] == dt.datetime(2013, 7, 1, 4, tzinfo=UTC)
    assert found[3] == dt.datetime(2013, 7, 1, 0, tzinfo=UTC)
    assert bad == {1: "zone_ambiguous", 2: "zone_ambiguous"}


@pytest.mark.parametrize(
    ("kind", "value", "form", "reason"),
    [
        ("timestamp", "x", {}, "is not a timestamp such as 2013-01-31 23:59:59"),
        ("timestamptz", "x", {}, "is not a timestamp such as 2013-01-31 23:59:59+01:00"),
        ("timestamptz", "x", {"timezone": "Europe/Berlin"}, "is not a timestamp such as 2013-01-31 23:59:59"),
        ("date", "x", {}, "is not a date such as 2013-01-31"),
        ("date", "x", {"format": "%d/%m/%Y"}, "is not a date in the format %d/%m/%Y"),
        ("time", "25:00", {}, "is not a time such as 23:59:59"),
    ],
)
def test_the_reason_of_a_bad_time_shows_a_good_one(
    kind: str, value: str, form: dict[str, Any], reason: str
) -> None:
    cast = from_text(pa.array([value], pa.string()), ColumnType.parse(kind), TextForm(**form))
    assert [cell.reason for cell in cast.bad] == [reason]


def test_signs_of_numbers_are_declared_and_thousands_are_groups() -> None:
    form = {"decimal_sign": ",", "thousands_sign": "."}
    found, bad = cast_text(["1.234,50", "1234,5", "1.5", "12.34,5"], "decimal(14,2)", **form)
    assert found == [Decimal("1234.50"), Decimal("1234.50"), None, None]
    assert set(bad) == {2, 3}


def test_a_sign_that_is_not_the_declared_one_means_nothing() -> None:
    found, bad = cast_text(["1,5", "1.5", "1.234,5"], "decimal(14,2)", decimal_sign=",")
    assert found == [Decimal("1.50"), None, None]
    assert set(bad) == {1, 2}


@pytest.mark.parametrize(
    ("values", "given", "kind", "kept", "lossy"),
    [
        ([1, 70000], pa.int64(), "int16", [1, None], [1]),
        ([1, 123456], pa.int64(), "decimal(5,2)", [Decimal("1.00"), None], [1]),
        ([Decimal("1.50"), Decimal("2.00")], pa.decimal128(9, 2), "int32", [None, 2], [0]),
        ([Decimal("1.25")], pa.decimal128(9, 2), "decimal(9,1)", [None], [0]),
        ([1.5, 0.125], pa.float64(), "decimal(5,2)", [Decimal("1.50"), None], [1]),
        ([2.0, 2.5], pa.float64(), "int64", [2, None], [1]),
        ([2**53, 2**53 + 1], pa.int64(), "float64", [float(2**53), None], [1]),
        ([0, 1, 2], pa.int8(), "boolean", [False, True, None], [2]),
        ([dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 3)], pa.timestamp("us"), "date",  # noqa: DTZ001  wall clock times
         [dt.date(2024, 1, 2), None], [1]),
        ([Decimal("0.00000001")], pa.decimal128(14, 8), "text", ["0.00000001"], []),
    ],
)  # fmt: skip
def test_a_typed_value_that_would_change_is_named(
    values: Any, given: Any, kind: str, kept: Any, lossy: list[int]
) -> None:
    cast = between(pa.array(values, given), ColumnType.parse(kind))
    assert cast.array.to_pylist() == kept
    assert [cell.row for cell in cast.bad] == lossy
    assert {cell.code for cell in cast.bad} <= {"lossy_cast"}


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("decimal(10,2)", "1.234,567", "too_precise"),
        ("decimal(5,2)", "1.234,56", "out_of_range"),
        ("decimal(10,2)", "1.23,45", "not_a_number"),
        ("int16", "99.999", "out_of_range"),
        ("int16", "1.5", "not_an_integer"),
        ("float64", "1.5", "not_a_number"),
    ],
)
def test_a_number_with_grouped_thousands_is_refused_for_what_is_wrong_with_it(
    kind: str, value: str, code: str
) -> None:
    assert cast_text([value], kind, thousands_sign=".", decimal_sign=",")[1] == {0: code}


def test_a_skipped_time_in_a_declared_format_is_told_from_one_in_another_format() -> None:
    form = {"format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}
    values = ["29.03.2026 02:30", "25.10.2026 02:30", "31.02.2026 02:30", "2026-03-29 02:30"]
    codes = ["zone_ambiguous", "zone_ambiguous", "not_a_timestamptz", "not_a_timestamptz"]
    assert cast_text(values, "timestamptz", **form)[1] == dict(enumerate(codes))
