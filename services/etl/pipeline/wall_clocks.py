"""Between wall clock times and moments, by the rules of a named zone.

Arrow knows the changes that a zone's file lists, which end with 2037, and not the rule that holds after them
(RFC 9636, 3.3): it has no summer time in 2050. Python knows both, value by value; so do late years go.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Choice = Literal["reject", "earlier", "later"]
LATE: Final = 2_114_380_800_000_000
"""The first moment of 2037 in microseconds from 1970."""
_END: Final = 253_402_214_400_000_000
"""A day before the end of the calendar: what lies behind has no room for an offset."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  a wall clock time
_MICROSECOND: Final = timedelta(microseconds=1)


def to_moments(
    walls: Any, timezone: str, *, gap: Choice = "reject", overlap: Choice = "reject"
) -> tuple[Any, dict[int, str]]:
    """Wall clock times (`timestamp("us")`) as moments, and the rows that are none, as `gap` or `overlap`.

    A time that a change of the clocks skips (gap) or has twice (overlap) means two moments: one by the offset
    before the change and one by the one after (PEP 495). Take the earlier or the later of them, or make it
    NULL and name its row.
    """
    earliest = pc.assume_timezone(walls, timezone, ambiguous="earliest", nonexistent="earliest")
    latest = pc.assume_timezone(walls, timezone, ambiguous="latest", nonexistent="latest")
    plain = pc.cast(earliest, pa.timestamp("us", "UTC"))
    micros = _micros(walls)
    odd = pc.fill_null(pc.not_equal(earliest, latest), fill_value=False).to_numpy(zero_copy_only=False)
    asked = np.flatnonzero(odd | ((micros >= LATE) & (micros < _END)))
    if not len(asked):
        return plain, {}
    zone, policies = ZoneInfo(timezone), {"gap": gap, "overlap": overlap}
    known: dict[int, int | str] = {}
    for value in set(micros[asked].tolist()):
        known[value] = _moment(value, zone, policies)
    found = [known[value] for value in micros[asked].tolist()]
    bad = {int(row): value for row, value in zip(asked, found, strict=True) if isinstance(value, str)}
    return _with(plain, asked, found), bad


def to_walls(moments: Any, timezone: str) -> Any:
    """Moments (`timestamp("us", "UTC")`) as the clocks of the zone show them."""
    plain = pc.local_timestamp(pc.cast(moments, pa.timestamp("us", timezone)))
    micros = _micros(moments)
    late = np.flatnonzero((micros >= LATE) & (micros < _END))
    if not len(late):
        return plain
    zone = ZoneInfo(timezone)
    known = {value: _wall(value, zone) for value in set(micros[late].tolist())}
    return _with(plain, late, [known[value] for value in micros[late].tolist()])


def _micros(times: Any) -> Any:
    """Microseconds from 1970; NULL as 0, which needs nothing."""
    return pc.fill_null(pc.cast(times, pa.int64()), 0).to_numpy(zero_copy_only=False)


def _moment(micros: int, zone: ZoneInfo, policies: dict[str, Choice]) -> int | str:
    wall = (_EPOCH + timedelta(microseconds=micros)).replace(tzinfo=zone)
    before, after = wall.utcoffset(), wall.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    if before == after:
        return micros - before // _MICROSECOND
    kind = "gap" if before < after else "overlap"
    both = [micros - offset // _MICROSECOND for offset in (before, after)]
    chosen: dict[Choice, int | str] = {"reject": kind, "earlier": min(both), "later": max(both)}
    return chosen[policies[kind]]


def _wall(micros: int, zone: ZoneInfo) -> int:
    moment = _EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=micros)
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return micros + offset // _MICROSECOND


def _with(times: Any, rows: Any, values: Iterable[int | str]) -> Any:
    """The column with other values in these rows; NULL for what is a text."""
    mask = np.zeros(len(times), dtype=bool)
    mask[rows] = True
    put = [None if isinstance(value, str) else value for value in values]
    return pc.replace_with_mask(times, pa.array(mask), pc.cast(pa.array(put, pa.int64()), times.type))
