"""Dates and times in expressions: years 1 to 9999, weeks begin on Monday, moments are in UTC."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.pipeline import wall_clocks
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import YEAR_1, YEAR_10000
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.expression_values import Problem, Value, failing

_DAY: Final = 86_400_000_000
_MICROSECONDS: Final[Mapping[str, int]] = {
    "second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000, "day": _DAY, "week": 7 * _DAY,
}  # fmt: skip
_MONTHS: Final[Mapping[str, int]] = {"month": 1, "quarter": 3, "year": 12}
_BEYOND: Final = ("out_of_range", "is not in the years 1 to 9999")


def truncated(node: Typed, arrays: list[Any]) -> Value:
    unit, array = node.arguments[0].value, arrays[1]
    if unit == "week":
        return _at(node, pc.add(pc.multiply(_count(unit, array), _MICROSECONDS[unit]), YEAR_1))
    return Value(pc.cast(pc.floor_temporal(array, unit=unit), array.type))


def extracted(node: Typed, arrays: list[Any]) -> Value:
    unit, array = node.arguments[0].value, arrays[1]
    if unit == "epoch":
        seconds = pc.floor_temporal(pc.cast(_microseconds(array), pa.timestamp("us")), unit="second")
        return Value(pc.cast(pc.cast(seconds, pa.timestamp("s")), pa.int64()))
    return Value(pc.cast(_PARTS[unit](array), pa.int64()))


_PARTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "year": pc.year,
    "quarter": pc.quarter,
    "month": pc.month,
    "week": pc.iso_week,
    "day": pc.day,
    "hour": pc.hour,
    "minute": pc.minute,
    "second": pc.second,
    "day_of_week": lambda array: pc.day_of_week(array, count_from_zero=False),
    "day_of_year": pc.day_of_year,
    "iso_year": pc.iso_year,
}


def moved(node: Typed, arrays: list[Any]) -> Value:
    """`date_add`: months keep the day of the month, or end with their last day."""
    unit, count, start = node.arguments[0].value, arrays[1], arrays[2]
    step = _MICROSECONDS.get(unit, 28 * _DAY * _MONTHS.get(unit, 1))
    far = pc.greater(pc.abs(pc.if_else(pc.equal(count, -(2**63)), 2**62, count)), YEAR_10000 * 2 // step)
    near = pc.if_else(far, pa.scalar(0, pa.int64()), count)
    if unit in _MONTHS:
        moment = _months_later(_microseconds(start), pc.multiply(near, _MONTHS[unit]))
    else:
        moment = pc.add(_microseconds(start), pc.multiply(near, step))
    beyond = pc.or_(pc.less(moment, YEAR_1), pc.greater_equal(moment, YEAR_10000))
    bad = pc.and_(pc.or_(far, beyond), pc.is_valid(moment))
    kept = failing(moment, bad, *_BEYOND)
    return Value(_at(node, kept.array).array, kept.problems)


def _months_later(moments: Any, months: Any) -> Any:
    valid = pc.and_(pc.is_valid(moments), pc.is_valid(months)).to_numpy(zero_copy_only=False)
    start = pc.fill_null(moments, 0).to_numpy(zero_copy_only=False).astype("datetime64[us]")
    day = start.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    target = month + pc.fill_null(months, 0).to_numpy(zero_copy_only=False)
    last = (target + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    later = np.minimum(target.astype("datetime64[D]") + (day - month.astype("datetime64[D]")), last)
    return pa.array((later.astype("datetime64[us]") + (start - day)).astype(np.int64), mask=~valid)


def between(node: Typed, arrays: list[Any]) -> Value:
    """`date_diff`: borders of the unit between two times."""
    unit, start, end = node.arguments[0].value, arrays[1], arrays[2]
    if unit in _MONTHS:
        months = pc.subtract(_month_number(end), _month_number(start))
        if unit == "month":
            return Value(months)
        kernel = pc.quarters_between if unit == "quarter" else pc.years_between
        return Value(kernel(start, end))
    return Value(pc.subtract(_count(unit, end), _count(unit, start)))


def _count(unit: str, array: Any) -> Any:
    """How many units have begun since the beginning of time; weeks begin on Monday."""
    microseconds = pc.add(_microseconds(array), -YEAR_1)  # from 0001-01-01, a Monday: no negative numbers
    return pc.divide(microseconds, _MICROSECONDS[unit])


def _month_number(array: Any) -> Any:
    return pc.add(pc.multiply(pc.cast(pc.year(array), pa.int64()), 12), pc.cast(pc.month(array), pa.int64()))


def in_zone(node: Typed, arrays: list[Any]) -> Value:
    """Between moments and the clock of a zone. A clock time that is twice or never there fails."""
    zone, array = node.arguments[1].value, arrays[0]
    if array.type.tz:
        return Value(wall_clocks.to_walls(array, zone))
    values, bad = wall_clocks.to_moments(array, zone)
    rows = np.zeros(len(array), dtype=bool)
    rows[list(bad)] = True
    problem = Problem(rows, "no_such_time", f"is twice or never on the clocks of {zone}")
    return Value(values, (problem,) if bad else ())


def _microseconds(array: Any) -> Any:
    """Dates and times as microseconds from 1970."""
    if pa.types.is_date(array.type):
        array = pc.cast(array, pa.timestamp("us"))
    return pc.cast(array, pa.int64())


def _at(node: Typed, microseconds: Any) -> Value:
    assert node.type is not None  # times have a type
    wanted = arrow_type(node.type)
    if pa.types.is_date(wanted):
        return Value(pc.cast(pc.cast(microseconds, pa.timestamp("us")), wanted))
    return Value(pc.cast(microseconds, wanted))
