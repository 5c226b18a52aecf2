"""Reading dates and times from columns, vectorised: what a format captures becomes microseconds from 1970."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType
from services.etl.handlers.parse_dates import EPOCHS, ISO
from services.etl.pipeline import date_formats, wall_clocks
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import YEAR_1, YEAR_10000, BadCell, Cast, display
from services.etl.pipeline.date_formats import DateFormat

if TYPE_CHECKING:
    from services.etl.handlers.parse_dates import ParseDates

_DATE: Final = r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
_CLOCK: Final = r"[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,6}))?)?"
_ZONE: Final = r"(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?"
_DATE_GROUPS: Final = frozenset({"year", "month", "day"})
_CLOCK_GROUPS: Final = _DATE_GROUPS | {"hour", "minute", "second", "fraction"}
_ISO: Final = {
    "date": DateFormat(f"^{_DATE}$", _DATE_GROUPS),
    "timestamp": DateFormat(f"^{_DATE}(?:{_CLOCK})?$", _CLOCK_GROUPS),
    "timestamptz": DateFormat(f"^{_DATE}(?:{_CLOCK}{_ZONE})?$", _CLOCK_GROUPS | {"zone"}),
}
_COUNTED: Final = r"^(?P<sign>[+-]?)(?P<whole>\d{1,18})(?:\.(?P<fraction>\d{1,6}))?$"
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_SPELLED: Final = {name[:3]: at for at, name in enumerate(_MONTHS, 1)} | {
    name: at for at, name in enumerate(_MONTHS, 1)
}
_MONTH_NAMES: Final = pa.array(list(_SPELLED))
_MONTH_NUMBERS: Final = np.array(list(_SPELLED.values()))


@dataclass(slots=True)
class _Times:
    """Microseconds from 1970 by row; `read` where there are any, `zoned` where they are UTC."""

    micros: Any
    zoned: Any
    read: Any

    def put(self, other: "_Times") -> None:
        """Take the rows that the other has read and this one has not."""
        new = other.read & ~self.read
        self.micros[new], self.zoned[new] = other.micros[new], other.zoned[new]
        self.read |= new


def read(array: Any, params: "ParseDates.Params") -> Cast:
    """A column of text or whole numbers as dates or times; a cell that is none is bad and NULL."""
    given = array.is_valid().to_numpy(zero_copy_only=False)
    size = len(array)
    times = _Times(np.zeros(size, np.int64), np.zeros(size, bool), np.zeros(size, bool))
    text = pa.types.is_string(array.type)
    asked = pc.utf8_trim_whitespace(array) if text else array
    for name in params.formats:
        if (times.read | ~given).all():
            break
        if name in EPOCHS:
            times.put(_counted(asked, EPOCHS[name]) if text else _numbers(asked, EPOCHS[name]))
        elif text:
            times.put(_declared(asked, _format(name, params), params.pivot))
    unread = np.flatnonzero(given & ~times.read)
    values, none = _values(times, params)
    bad = {int(row): _unread(params) for row in unread} | none
    cells = [BadCell(row, display(array[row]), *bad[row]) for row in sorted(bad)]
    return Cast(values, cells)


def _format(name: str, params: "ParseDates.Params") -> DateFormat:
    if name == ISO:
        return _ISO[params.type]
    return date_formats.parse_format(name, params.type, further=True)


def _unread(params: "ParseDates.Params") -> tuple[str, str]:
    formats = ", ".join(params.formats)
    return f"not_a_{params.type}", f"is no {params.type} in the format {formats}"


def _values(times: _Times, params: "ParseDates.Params") -> tuple[Any, dict[int, tuple[str, str]]]:
    """What was read as a column of the wanted type, and the rows whose times it can't be."""
    walls = _column(times, times.read & ~times.zoned, pa.timestamp("us"))
    moments = _column(times, times.read & times.zoned, pa.timestamp("us", "UTC"))
    zone, bad = params.timezone, dict[int, tuple[str, str]]()
    if params.type != "timestamptz":
        result = pc.coalesce(walls, wall_clocks.to_walls(moments, zone or "UTC"))
    elif zone is None:
        missing = np.flatnonzero(times.read & ~times.zoned)
        bad = dict.fromkeys(map(int, missing), ("zone_missing", "has no time zone"))
        result = moments
    else:
        zoned, none = wall_clocks.to_moments(walls, zone, gap=params.gap, overlap=params.overlap)
        reasons = {"gap": "was skipped", "overlap": "happened twice"}
        bad = {row: (f"zone_{kind}", f"{reasons[kind]} in {zone}") for row, kind in none.items()}
        result = pc.coalesce(moments, zoned)
    micros = pc.fill_null(pc.cast(result, pa.int64()), 0).to_numpy(zero_copy_only=False)
    outside = (micros < YEAR_1) | (micros >= YEAR_10000)
    for row in np.flatnonzero(outside):
        bad[int(row)] = ("out_of_range", "is not in the years 1 to 9999")
    result = pc.if_else(pa.array(outside), pa.scalar(None, result.type), result)
    return pc.cast(result, arrow_type(ColumnType(params.type)), safe=params.type != "date"), bad


def _column(times: _Times, rows: Any, kind: Any) -> Any:
    return pa.array(times.micros, pa.int64(), mask=~rows).cast(kind)


def _numbers(array: Any, unit: int) -> _Times:
    counts = pc.fill_null(pc.cast(array, pa.int64()), 0).to_numpy(zero_copy_only=False)
    fits = (counts >= YEAR_1 // unit) & (counts < YEAR_10000 // unit)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    return _Times(np.where(fits, counts, 0) * unit, np.ones(len(array), bool), fits & valid)


def _counted(array: Any, unit: int) -> _Times:
    """Numbers in texts; a fraction is one of seconds."""
    fields = _Fields(array, DateFormat(_COUNTED, frozenset({"sign", "whole", "fraction"})))
    whole, fraction = fields.number("whole"), fields.fraction()
    fits = whole <= YEAR_10000 // unit
    micros = np.where(fits, whole, 0) * unit + fraction
    negative = pc.equal(fields.text("sign"), "-").to_numpy(zero_copy_only=False)
    micros = np.where(negative, -micros, micros)
    inside = fits & (micros >= YEAR_1) & (micros < YEAR_10000)
    whole_units = (fraction == 0) | (unit == EPOCHS["epoch_seconds"])
    return _Times(micros, np.ones(len(array), bool), fields.found & inside & whole_units)


def _declared(array: Any, declared: DateFormat, pivot: int) -> _Times:
    fields = _Fields(array, declared)
    year, month, day = fields.year(pivot), fields.month(), fields.number("day", 1)
    hour, minute, second = fields.hour(), fields.number("minute"), fields.number("second")
    fits = (year >= 1) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)  # noqa: PLR2004  the calendar
    months = np.where(fits, (year - 1970) * 12 + month - 1, 0)
    first, after = _first_day(months), _first_day(months + 1)
    fits &= (day >= 1) & (day <= after - first)
    seconds = ((first + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    offset, zoned, known = fields.offset()
    micros = (np.where(fits, seconds, 0) - offset * 60) * 1_000_000 + fields.fraction()
    return _Times(micros, zoned, fields.found & fits & known)


def _first_day(months: Any) -> Any:
    """Days from 1970 to the first of each month, which are counted from January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


class _Fields:
    """What a format has captured in each row, as whole numbers; rows that don't match are not `found`."""

    def __init__(self, array: Any, declared: DateFormat) -> None:
        self._parts = pc.extract_regex(array, declared.pattern)
        self._groups = declared.groups
        self.found = self._parts.is_valid().to_numpy(zero_copy_only=False)

    def text(self, name: str) -> Any:
        """The texts of a group; empty where it has none."""
        if name not in self._groups:
            return pa.repeat(pa.scalar(""), len(self.found))
        return pc.fill_null(pc.struct_field(self._parts, name), "")

    def number(self, name: str, default: int = 0) -> Any:
        """The numbers of a group of digits; `default` where it has none."""
        return _whole(self.text(name), default)

    def fraction(self) -> Any:
        """Microseconds of a fraction of up to six digits."""
        return _whole(pc.utf8_rpad(self.text("fraction"), 6, "0"), 0)

    def year(self, pivot: int) -> Any:
        if "short_year" not in self._groups:
            return self.number("year", 1)
        short = self.number("short_year")
        return short + np.where(short < pivot, 2000, 1900)

    def month(self) -> Any:
        """Numbers of months; 0 where the name of one isn't known."""
        if "month_name" not in self._groups:
            return self.number("month", 1)
        place = pc.index_in(pc.utf8_lower(self.text("month_name")), value_set=_MONTH_NAMES)
        known = place.is_valid().to_numpy(zero_copy_only=False)
        return np.where(known, _MONTH_NUMBERS[pc.fill_null(place, 0).to_numpy()], 0)

    def hour(self) -> Any:
        """Hours of the day; 24 where 13 PM or the like stands."""
        if "half_day_hour" not in self._groups:
            return self.number("hour")
        hour = self.number("half_day_hour")
        late = pc.starts_with(pc.utf8_lower(self.text("half")), "p").to_numpy(zero_copy_only=False)
        fits = (hour >= 1) & (hour <= 12)  # noqa: PLR2004  hours of half a day
        return np.where(fits, hour % 12 + np.where(late, 12, 0), 24)

    def offset(self) -> tuple[Any, Any, Any]:
        """Minutes ahead of UTC; where a zone is given; where it is not one that can't be."""
        zone = self.text("zone")
        zoned = pc.not_equal(zone, "").to_numpy(zero_copy_only=False)
        digits = pc.utf8_rpad(pc.replace_substring_regex(zone, "[^0-9]", ""), 4, "0")
        number = _whole(digits, 0)
        hours, minutes = number // 100, number % 100
        behind = pc.starts_with(zone, "-").to_numpy(zero_copy_only=False)
        offset = (hours * 60 + minutes) * np.where(behind, -1, 1)
        return offset, zoned, (hours < 24) & (minutes < 60)  # noqa: PLR2004  the clock


def _whole(text: Any, default: int) -> Any:
    filled = pc.if_else(pc.equal(text, ""), str(default), text)
    return pc.cast(filled, pa.int64()).to_numpy(zero_copy_only=False)
