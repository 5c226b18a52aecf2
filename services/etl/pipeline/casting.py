"""Exact casts of whole columns, with the cells apart that don't fit.

A cast either keeps a value exactly or names the cell as bad: Arrow's own casts round floats, cut times off
timestamps and read 0x1F as a number without saying so, hence the checks beside them.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.wall_clocks import to_moments

YEAR_1: Final = -62135596800000000
YEAR_10000: Final = 253402300800000000
"""Bounds of the calendar that all targets share, in microseconds from 1970."""

_PLAIN_SCALE: Final = 6
"""Up to this scale Arrow spells no decimal as 1E-7."""
_UUID_BYTES: Final = 16
_NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
_PART_ROWS: Final = 512
"""Rows that are searched together: few enough that one bad cell costs little, many enough for Arrow."""
_SPARSE: Final = 32
"""Rows for each one left out, from which on copying the runs between them is quicker than a filter."""


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell that doesn't fit: its row in the batch, the value as text, a stable code and the reason."""

    row: int
    value: str | None
    code: str
    reason: str


@dataclass(slots=True)
class Cast:
    """The cast column, NULL where a cell is bad, and the bad cells by row."""

    array: Any
    bad: list[BadCell] = field(default_factory=list)

    def add_nulls(self, code: str, reason: str) -> None:
        """Make every cell bad that is NULL and not bad already."""
        known = {cell.row for cell in self.bad}
        missing = [row for row in rows_where(pc.is_null(self.array)) if row not in known]
        self.bad += [BadCell(row, None, code, reason) for row in missing]


def isolate(
    parse: Callable[[Any], Any], array: Any, *, suspects: Callable[[Any], list[int]] | None = None
) -> tuple[Any, list[int]]:
    """Apply `parse` to a column; where it raises ArrowInvalid, find the rows that make it do so.

    Returns the parsed column with NULL in those rows, and the rows. Costs one call when all fit. Otherwise
    the column is parsed in parts, and only in those that fail it is searched: first for the rows that
    `suspects` names at a look, then by halving.
    """
    try:
        return parse(array), []
    except pa.ArrowInvalid:
        pass
    parts, bad = [], list[int]()
    for start in range(0, len(array), _PART_ROWS):
        values, rows = _searched(parse, array.slice(start, _PART_ROWS), suspects)
        parts.append(values)
        bad += [start + row for row in rows]
    return pa.concat_arrays(parts), bad


def _searched(
    parse: Callable[[Any], Any], part: Any, suspects: Callable[[Any], list[int]] | None
) -> tuple[Any, list[int]]:
    try:
        return parse(part), []
    except pa.ArrowInvalid:
        bad = suspects(part) if suspects else []
    kept = blank(part, bad)
    try:
        return parse(kept), bad
    except pa.ArrowInvalid:
        bad = sorted({*bad, *_failing(parse, kept)})
    return parse(blank(kept, bad)), bad


def _failing(parse: Callable[[Any], Any], array: Any) -> list[int]:
    bad: list[int] = []
    slices = [(0, len(array))]
    while slices:
        start, length = slices.pop()
        if length > 1:
            half = length // 2
            parts = [(start, half), (start + half, length - half)]
        else:
            bad.append(start)
            continue
        for part in parts:
            try:
                parse(array.slice(*part))
            except pa.ArrowInvalid:
                slices.append(part)
    return sorted(bad)


def blank(array: Any, rows: Sequence[int]) -> Any:
    """The column with NULL in these rows."""
    mask = np.zeros(len(array), dtype=bool)
    mask[list(rows)] = True
    return pc.if_else(pa.array(mask), pa.scalar(None, array.type), array)


def without(rows: Any, left_out: Collection[int]) -> tuple[Any, Any]:
    """A `pyarrow.RecordBatch` without some of its rows, and the mask (NumPy) of those that are kept."""
    kept = np.ones(len(rows), dtype=bool)
    kept[list(left_out)] = False
    if len(left_out) * _SPARSE > len(rows):
        return rows.filter(pa.array(kept)), kept
    starts = [0, *(row + 1 for row in sorted(left_out))]
    ends = [*sorted(left_out), len(rows)]
    runs = [rows.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]
    return pa.concat_batches(runs), kept


def rows_where(mask: Any) -> list[int]:
    """The rows for which a Boolean column is true."""
    rows: list[int] = pc.indices_nonzero(pc.fill_null(mask, fill_value=False)).to_pylist()
    return rows


def between(array: Any, target: ColumnType, *, timezone: str | None = None) -> Cast:
    """Cast a typed column to another type; a value that would change is bad (`lossy_cast`).

    `timezone` is the zone of wall clock times that become `timestamptz`; UTC without it.
    """
    wanted = arrow_type(target)
    if array.type != wanted:
        values, bad = isolate(lambda part: _exactly(part, wanted, timezone), array)
        lossy = {*bad, *_changed(array, values, wanted)}
        cast = Cast(
            values,
            [
                BadCell(row, display(array[row]), "lossy_cast", f"does not fit into {target} exactly")
                for row in sorted(lossy)
            ],
        )
        if lossy:
            cast.array = blank(values, sorted(lossy))
    else:
        cast = Cast(array)
    return within_limits(cast, target, shown=array)


def _exactly(array: Any, wanted: Any, timezone: str | None) -> Any:
    if pa.types.is_decimal(wanted) and pa.types.is_integer(array.type):
        array = pc.cast(array, pa.decimal128(38, wanted.scale))
    if pa.types.is_string(wanted) and pa.types.is_decimal(array.type):
        return decimal_text(array)
    if pa.types.is_timestamp(wanted) and wanted.tz and timezone and not getattr(array.type, "tz", None):
        wall_clock = pc.cast(array, pa.timestamp("us"))
        moments, none = to_moments(wall_clock, timezone)
        if none:
            raise pa.ArrowInvalid("not a moment")  # a clock time that the zone has twice or never
        return pc.cast(moments, wanted)
    return pc.cast(array, wanted)


def _changed(array: Any, values: Any, wanted: Any) -> list[int]:
    """Rows where casting back gives another value. Text says it all, and a float is the nearest there is."""
    given = array.type
    from_float = pa.types.is_floating(given) and not pa.types.is_floating(wanted)
    risky = from_float or pa.types.is_boolean(wanted) or pa.types.is_date(wanted)
    if not risky or pa.types.is_string(wanted):
        return []
    back, _ = isolate(lambda part: pc.cast(part, given), values)
    return rows_where(pc.not_equal(back, array))


def decimal_text(array: Any) -> Any:
    """Decimals in plain notation with all digits of their scale: Arrow writes 1E-8 for small ones."""
    text = pc.cast(array, pa.string())
    if array.type.scale <= _PLAIN_SCALE:
        return text
    scientific = rows_where(pc.match_substring(text, "E"))
    if not scientific:
        return text
    spelled = text.to_pylist()
    for row in scientific:
        spelled[row] = format(array[row].as_py(), "f")
    return pa.array(spelled, pa.string())


def moment_text(array: Any) -> Any:
    """Moments in UTC as text that ends with Z: Arrow spells times with a zone twelve times as slowly."""
    return pc.binary_join_element_wise(pc.cast(array.view(pa.timestamp("us")), pa.string()), "Z", "")


def uuid_bytes(array: Any) -> Any:
    """UUIDs in canonical text as their 16 bytes each (fixed-size binary), the whole column at once."""
    digits = "".join(pc.fill_null(array, _NO_UUID).to_pylist()).replace("-", "")
    content, kind = pa.py_buffer(bytes.fromhex(digits)), pa.binary(_UUID_BYTES)
    fixed = pa.FixedSizeBinaryArray.from_buffers(kind, len(array), [None, content])
    return pc.if_else(pc.is_valid(array), fixed, pa.scalar(None, kind)) if array.null_count else fixed


def within_limits(cast: Cast, target: ColumnType, *, shown: Any) -> Cast:
    """Check what Arrow's types don't know: text lengths, the calendar, finite numbers.

    `shown` is the column as it was given, for the values of bad cells.
    """
    over, code, reason = _beyond(cast.array, target)
    if over:
        cast.bad = sorted(
            cast.bad + [BadCell(row, display(shown[row]), code, reason) for row in over],
            key=lambda cell: cell.row,
        )
        cast.array = blank(cast.array, over)
    return cast


def _beyond(values: Any, target: ColumnType) -> tuple[list[int], str, str]:
    if target.kind == "varchar":
        over = rows_where(pc.greater(pc.utf8_length(values), target.length))
        return over, "too_long", f"is longer than {target.length} characters"
    if target.kind in {"timestamp", "timestamptz"}:
        moment = pc.cast(values, pa.int64())
        over = rows_where(pc.or_(pc.less(moment, YEAR_1), pc.greater_equal(moment, YEAR_10000)))
        return over, "out_of_range", "is not in the years 1 to 9999"
    if target.kind in {"float32", "float64"}:
        return rows_where(pc.invert(pc.is_finite(values))), "not_finite", "is not a finite number"
    return [], "", ""


def display(scalar: Any) -> str | None:
    """A cell as a person reads it."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):  # a time beyond Python's calendar
        return None if pa.types.is_nested(scalar.type) else f"{scalar.value} {_unit(scalar.type)} from 1970"
    return None if value is None else value.hex() if isinstance(value, bytes) else str(value)


def _unit(kind: Any) -> str:
    if pa.types.is_date(kind):
        return "days" if pa.types.is_date32(kind) else "milliseconds"
    return {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[kind.unit]
