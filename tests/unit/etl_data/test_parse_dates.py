"""Reading dates and times in several formats."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.handlers.parse_dates import ParseDates
from tests.unit.etl_data.handling import codes, columns, faults, worked

NY = "America/New_York"


def read(values: list[Any], *, of: str = "text", **params: Any) -> tuple[list[Any], list[Any]]:
    """What each value became; for rejected rows their codes."""
    handler = ParseDates.of({"columns": ["a"], **params})
    rows, context = worked(handler, columns(a=of), [{"a": value} for value in values])
    return [row["a"] for row in rows], codes(context)


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("iso", "2026-02-28", date(2026, 2, 28)),
        ("iso", " 0001-01-01\t", date(1, 1, 1)),
        ("%d/%m/%Y", "1/2/2026", date(2026, 2, 1)),
        ("%d.%m.%y", "31.12.69", date(2069, 12, 31)),
        ("%d.%m.%y", "31.12.70", date(1970, 12, 31)),
        ("%d-%b-%Y", "29-FEB-2024", date(2024, 2, 29)),
        ("%B %d, %Y", "may 1, 1999", date(1999, 5, 1)),
        ("%B %d, %Y", "Sep 30, 1999", date(1999, 9, 30)),
        ("epoch_seconds", "-0.5", date(1969, 12, 31)),
        ("epoch_millis", "86400000", date(1970, 1, 2)),
        ("%Y-%m-%d", "9999-12-31", date(9999, 12, 31)),
    ],
)
def test_a_date_in_a_format(form: str, text: str, day: date) -> None:
    assert read([text, None], formats=[form]) == ([day, None], [])


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-02-29"),
        ("iso", "0000-01-01"),
        ("iso", "2026-1-1"),
        ("iso", "2026-01-01T00:00:00"),
        ("iso", ""),
        ("iso", "1900-02-29"),
        ("%d/%m/%Y", "31/4/2026"),
        ("%d/%m/%Y", "1/13/2026"),
        ("%d/%m/%Y", "0/1/2026"),
        ("%d-%b-%Y", "1-xyz-2026"),
        ("%B %d, %Y", "Septem 1, 2026"),
        ("epoch_seconds", "253402300800"),
        ("epoch_seconds", "99999999999999999999"),
        ("epoch_millis", "1.5"),
        ("epoch_micros", "1e3"),
    ],
)
def test_what_is_no_date_is_rejected(form: str, text: str) -> None:
    assert read([text], formats=[form]) == ([], [(1, "a", text, "not_a_date")])
    assert read([text], formats=[form], on_error="null") == ([None], [])


def test_the_first_format_that_gives_a_date_counts() -> None:
    days, _ = read(["03/04/2026", "13/04/2026", "04/13/2026"], formats=["%d/%m/%Y", "%m/%d/%Y"])
    assert days == [date(2026, 4, 3), date(2026, 4, 13), date(2026, 4, 13)]


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("iso", "2026-07-01 12:00:00.123456", "2026-07-01T16:00:00.123456Z"),
        ("iso", "2026-07-01T12:00+0530", "2026-07-01T06:30:00Z"),
        ("iso", "2050-07-01", "2050-07-01T04:00:00Z"),
        ("iso", "2026-07-01T12:00:00.5Z", "2026-07-01T12:00:00.5Z"),
        ("%d/%m/%Y %I:%M %p", "1/7/2026 12:05 am", "2026-07-01T04:05:00Z"),
        ("%d/%m/%Y %I:%M %p", "1/7/2026 12:05 P.M.", "2026-07-01T16:05:00Z"),
        ("%Y%m%d %H%M%S%z", "20260701 120000-0330", "2026-07-01T15:30:00Z"),
        ("epoch_seconds", "1700000000.25", "2023-11-14T22:13:20.25Z"),
        ("epoch_micros", "-1", "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_a_moment_in_a_format(form: str, text: str, moment: str) -> None:
    found, _ = read([text], type="timestamptz", formats=[form], timezone=NY)
    assert found == [datetime.fromisoformat(moment)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-07-01 24:00",
        "2026-07-01 12:60",
        "2026-07-01 12:00:60",
        "2026-07-01 1:00",
        "2026-07-01T12:00+24",
        "2026-07-01T12:00+0160",
    ],
)
def test_clocks_have_their_bounds(text: str) -> None:
    assert read([text], type="timestamptz", timezone=NY)[1] == [(1, "a", text, "not_a_timestamptz")]


def test_hours_of_half_a_day_have_their_bounds() -> None:
    texts = [f"2026-01-01 {hour} pm" for hour in (0, 1, 12, 13)]
    found, bad = read(texts, type="timestamp", formats=["%Y-%m-%d %I %p"])
    assert ([time.hour for time in found], [row[0] for row in bad]) == ([13, 12], [1, 4])


@pytest.mark.parametrize(("choice", "hours"), [("earlier", [6, 5]), ("later", [7, 6])])
def test_times_that_clocks_skip_or_show_twice(choice: str, hours: list[int]) -> None:
    texts = ["2026-03-08 02:30", "2026-11-01 01:30"]
    params = {"type": "timestamptz", "timezone": NY}
    found, _ = read(texts, gap=choice, overlap=choice, **params)
    assert [time.hour for time in found] == hours
    assert [row[3] for row in read(texts, **params)[1]] == ["zone_gap", "zone_overlap"]


def test_a_time_without_a_zone_is_rejected_where_no_zone_is_said() -> None:
    texts = ["2026-01-01T00:00Z", "2026-01-01T00:00"]
    found, bad = read(texts, type="timestamptz")
    assert (found, bad) == ([datetime(2026, 1, 1, tzinfo=UTC)], [(2, "a", texts[1], "zone_missing")])


def test_counted_times_are_shown_as_the_clocks_of_the_zone_do() -> None:
    values = [1_700_000_000, None, 2**62]
    params: dict[str, Any] = {"of": "int64", "formats": ["iso", "epoch_seconds"], "type": "timestamp"}
    assert read(values, **params) == (
        [datetime(2023, 11, 14, 22, 13, 20), None],  # noqa: DTZ001  a wall clock time
        [(3, "a", str(2**62), "not_a_timestamp")],
    )
    assert read(values[:1], timezone=NY, **params)[0][0].hour == 17


def test_no_offset_leads_out_of_the_calendar() -> None:
    texts = ["9999-12-31T23:30-01:00", "0001-01-01T00:00+01:00"]
    assert [row[3] for row in read(texts, type="timestamptz")[1]] == ["out_of_range"] * 2


@given(
    st.lists(st.none() | st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), max_size=5),  # noqa: DTZ001  wall clocks
    st.sampled_from(["%d.%m.%Y %H:%M:%S.%f", "%B %d %Y %I:%M:%S.%f %p", "%Y%b%d%H%M%S%f"]),
)
def test_what_python_writes_is_read(times: list[datetime | None], form: str) -> None:
    # glibc writes years before 1000 with fewer digits: put them in by hand
    texts = [None if time is None else time.strftime(form.replace("%Y", f"{time.year:04}")) for time in times]
    assert read(texts, type="timestamp", formats=["iso", form]) == (times, [])
    moments, _ = read(texts, type="timestamptz", formats=[form], timezone=NY, gap="later", overlap="earlier")
    wanted = [None if time is None else time.replace(tzinfo=ZoneInfo(NY)).astimezone(UTC) for time in times]
    assert moments == wanted


@given(st.lists(st.integers(-62135596800000000, 253402300799999999), max_size=5))
def test_counts_from_1970_are_exact(micros: list[int]) -> None:
    wanted = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=count) for count in micros]
    params: dict[str, Any] = {"type": "timestamptz", "formats": ["epoch_micros"]}
    assert read(micros, of="int64", **params)[0] == wanted
    assert read([str(count) for count in micros], **params)[0] == wanted


@pytest.mark.parametrize(
    ("params", "places"),
    [
        ({"columns": ["z", "n"]}, [("columns", 0), ("columns", 1)]),
        ({"columns": ["a", "i"]}, [("columns", 1)]),
        ({"formats": ["iso", "%Q", "%d/%m"]}, [("formats", 1), ("formats", 2)]),
        ({"formats": ["%d %m %Y %y"]}, [("formats", 0)]),
        ({"type": "timestamp", "formats": ["%Y-%m-%d %I"]}, [("formats", 0)]),
        ({"formats": ["%Y-%m-%d %H"]}, [("formats", 0)]),
        ({"type": "timestamptz", "formats": ["%Y-%m-%d"]}, [("timezone",)]),
    ],
)
def test_what_can_not_be_read_is_named(params: Any, places: Any) -> None:
    assert (
        faults(ParseDates, {"columns": ["a"], **params}, columns(a="text", n="float64", i="int64")) == places
    )
