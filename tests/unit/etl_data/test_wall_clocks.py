"""Wall clock times and moments by the rules of zones, in all years."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.etl.columns import ColumnType
from services.etl.pipeline.casting import between
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import from_text
from services.etl.pipeline.wall_clocks import Choice, to_moments, to_walls

BERLIN = "Europe/Berlin"
MOMENT = ColumnType("timestamptz")
ZONES = st.sampled_from(
    [BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Casablanca"]
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def walls(*texts: str | None) -> pa.Array:
    return pa.array([None if text is None else at(text) for text in texts], pa.timestamp("us"))


@pytest.mark.parametrize("year", [1850, 1995, 2037, 2038, 2050, 9998])
def test_summer_time_goes_on_after_the_changes_that_a_zone_lists(year: int) -> None:
    moments, none = to_moments(walls(f"{year:04}-07-01 12:00", f"{year:04}-01-01 12:00", None), BERLIN)
    zone = ZoneInfo(BERLIN)
    wanted = [datetime(year, month, 1, 12, tzinfo=zone).astimezone(UTC) for month in (7, 1)]
    assert (moments.to_pylist(), none) == ([*wanted, None], {})
    assert to_walls(moments, BERLIN) == walls(f"{year:04}-07-01 12:00", f"{year:04}-01-01 12:00", None)


def test_casts_know_it_too() -> None:
    wanted = at("2050-07-01T10:00:00+00:00")
    assert between(walls("2050-07-01 12:00"), MOMENT, timezone=BERLIN).array.to_pylist() == [wanted]
    text = pa.array(["2050-07-01 12:00", "2050-03-27 02:30"])
    cast = from_text(text, MOMENT, TextForm(timezone=BERLIN))
    assert (cast.array.to_pylist(), [cell.code for cell in cast.bad]) == ([wanted, None], ["zone_ambiguous"])


@pytest.mark.parametrize(
    ("choice", "moments"),
    [
        ("reject", [None] * 4),
        ("earlier", ["2024-03-31T00:30Z", "2024-10-27T00:30Z", "2050-03-27T00:30Z", "2050-10-30T00:30Z"]),
        ("later", ["2024-03-31T01:30Z", "2024-10-27T01:30Z", "2050-03-27T01:30Z", "2050-10-30T01:30Z"]),
    ],
)
def test_a_time_that_is_skipped_or_there_twice(choice: Choice, moments: list[str | None]) -> None:
    times = walls("2024-03-31 02:30", "2024-10-27 02:30", "2050-03-27 02:30", "2050-10-30 02:30")
    found, none = to_moments(times, BERLIN, gap=choice, overlap=choice)
    assert found.to_pylist() == [None if text is None else at(text) for text in moments]
    kinds = {0: "gap", 1: "overlap", 2: "gap", 3: "overlap"}
    assert none == (kinds if choice == "reject" else {})


@given(
    st.lists(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), max_size=5),  # noqa: DTZ001  wall clocks
    ZONES,
)
def test_all_years_are_as_python_has_them(times: list[datetime], zone: str) -> None:
    moments, _ = to_moments(pa.array(times, pa.timestamp("us")), zone, gap="later", overlap="earlier")
    wanted = [time.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for time in times]
    assert moments.to_pylist() == wanted
    shown = [time.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for time in wanted]
    assert to_walls(moments, zone).to_pylist() == shown
