"""Exact casts from text, as files spell values, to the declared types."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import ColumnType, Kind
from services.etl.pipeline import column_bytes, decimal_texts, explanations, strays
from services.etl.pipeline.arrow_types import arrow_type
from services.etl.pipeline.casting import BadCell, Cast, blank, isolate, rows_where, within_limits
from services.etl.pipeline.date_formats import DateFormat
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import holds_nul
from services.etl.pipeline.wall_clocks import to_moments

_DAY: Final = r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_ZONE: Final = r"(?:Z|[+-]\d{2}(?::?\d{2})?)$"
_CLOCK: Final = r"^\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?$"
_UUID: Final = r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_SHAPES: Final[Mapping[Kind, str]] = {
    "int16": r"^[+-]?[0-9]+$",
    "int32": r"^[+-]?[0-9]+$",
    "int64": r"^[+-]?[0-9]+$",
    "decimal": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$",
    "float32": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$",
    "float64": r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?$",
    "date": _DAY + "$",
    "time": _CLOCK,
    "timestamp": _DAY,
    "timestamptz": _DAY,
}
"""What any value of the kind looks like. Tried only where a column doesn't parse at once."""

Parse = Callable[[Any], Any]


def from_text(array: Any, target: ColumnType, form: TextForm) -> Cast:
    """Cast a column of strings to a type, as `form` says that values are spelled.

    Surrounding blanks make a value bad unless `form.trim`. Bad cells carry a code and a reason each.
    """
    if form.trim:
        array = pc.utf8_trim_whitespace(array)
    if target.is_text:
        return within_limits(Cast(array), target, shown=array)
    spelled, hopeless = _plain_numbers(array, target, form) if target.is_number else (array, list[int]())
    hopeless += _hopeless(spelled, target)
    kept = blank(spelled, hopeless) if hopeless else spelled
    values, bad = _parsed(kept, target, form)
    cast = Cast(values, _explained(array, sorted({*hopeless, *bad}), target, form))
    return within_limits(cast, target, shown=array)


def fits(array: Any, target: ColumnType, form: TextForm) -> bool:
    """Whether all values of a column of strings are of a type: quick to say no, names no cell."""
    spelled, unreadable = _plain_numbers(array, target, form) if target.is_number else (array, [])
    if unreadable or _hopeless(spelled, target):
        return False
    if target.kind in _CELL_BY_CELL:
        return not _CELL_BY_CELL[target.kind](spelled, form)[1]
    try:
        values = _parser(target, form)(spelled)
    except pa.ArrowInvalid:
        return False
    return not within_limits(Cast(values), target, shown=array).bad


def _parsed(array: Any, target: ColumnType, form: TextForm) -> tuple[Any, list[int]]:
    if target.kind in _CELL_BY_CELL:
        return _CELL_BY_CELL[target.kind](array, form)
    declared = form.date_format(target)
    shape = declared.pattern if declared else _SHAPES[target.kind]

    def shapeless(part: Any) -> list[int]:
        return rows_where(pc.invert(pc.match_substring_regex(part, shape)))

    parse = _parser(target, form)
    try:
        return parse(array), []
    except pa.ArrowInvalid:
        known = [] if declared else strays.found(array, target)
    values, bad = isolate(parse, blank(array, known) if known else array, suspects=shapeless)
    return values, sorted({*known, *bad})


def _hopeless(array: Any, target: ColumnType) -> list[int]:
    """Cells that Arrow would take for something that a file doesn't mean: 0x1F, nan, 24 as a time."""
    if target.is_integer and column_bytes.holds_any(array, b"xX"):
        return rows_where(pc.match_substring(array, "x", ignore_case=True))
    if target.kind in {"float32", "float64"} and column_bytes.holds_any(array, b"nNiI"):
        return rows_where(pc.match_substring_regex(array, "[nNiI]"))
    return []


def _plain_numbers(array: Any, target: ColumnType, form: TextForm) -> tuple[Any, list[int]]:
    """Numbers as computers write them, and the rows that are none: with thousands grouped wrongly (1.5 is not
    15), or beyond any decimal.
    """
    bad: list[int] = []
    if form.thousands_sign:
        grouped = pc.match_substring(array, form.thousands_sign)
        sign, point = re.escape(form.thousands_sign), re.escape(form.decimal_sign)
        fits = pc.match_substring_regex(array, rf"^[+-]?[0-9]{{1,3}}(?:{sign}[0-9]{{3}})*(?:{point}[0-9]*)?$")
        bad = rows_where(pc.and_(grouped, pc.invert(fits)))
        array = pc.replace_substring(array, form.thousands_sign, "")
    if form.decimal_sign != ".":
        array = pc.replace_substring(array, ".", "?")  # a dot means nothing here: no value may pass with one
        array = pc.replace_substring(array, form.decimal_sign, ".")
    if target.kind != "decimal":
        return array, bad
    array, unfit = decimal_texts.readable(array, target)
    return array, [*bad, *unfit]


def _explained(array: Any, rows: list[int], target: ColumnType, form: TextForm) -> list[BadCell]:
    cells = []
    for row in rows:
        value = array[row].as_py()
        code, reason = explanations.explain(value, target, form)
        cells.append(BadCell(row, value, code, reason))
    return cells


def _parser(target: ColumnType, form: TextForm) -> Parse:
    wanted = arrow_type(target)
    declared = form.date_format(target)
    if target.is_integer:
        return lambda array: pc.cast(_unsigned_plus(array), wanted)
    if declared is not None:
        return lambda array: _times(_iso(array, declared), wanted, form)
    if target.kind in {"time", "timestamp", "timestamptz"}:
        return lambda array: _times(array, wanted, form)
    return lambda array: pc.cast(array, wanted)


def _unsigned_plus(array: Any) -> Any:
    """Arrow reads no plus sign before an integer."""
    if not column_bytes.holds_any(array, b"+"):
        return array
    return pc.replace_substring_regex(array, r"^\+([0-9])", r"\1")


def _booleans(array: Any, form: TextForm) -> tuple[Any, list[int]]:
    lowered = pc.utf8_lower(array)
    true = pc.is_in(lowered, pa.array([token.lower() for token in form.true_tokens], pa.string()))
    false = pc.is_in(lowered, pa.array([token.lower() for token in form.false_tokens], pa.string()))
    known = pc.or_(true, false)
    bad = rows_where(pc.and_(pc.invert(known), pc.is_valid(array)))
    return pc.if_else(known, true, pa.scalar(None, pa.bool_())), bad


def _times(array: Any, wanted: Any, form: TextForm) -> Any:
    if pa.types.is_time(wanted):
        if not pc.all(pc.match_substring_regex(array, _CLOCK), min_count=0).as_py():
            raise pa.ArrowInvalid("not a time")
        dated = pc.binary_join_element_wise(pa.scalar("1970-01-01T"), array, "")
        return pc.cast(pc.cast(dated, pa.timestamp("us")), wanted)
    if pa.types.is_date(wanted) or not wanted.tz or not form.timezone:
        return pc.cast(array, wanted)
    zoned = pc.match_substring_regex(array, r"\d{2}:\d{2}.*" + _ZONE)
    nothing = pa.scalar(None, pa.string())
    absolute = pc.cast(pc.if_else(zoned, array, nothing), wanted)
    wall_clock = pc.cast(pc.if_else(zoned, nothing, array), pa.timestamp("us"))
    return pc.coalesce(absolute, _in_zone(wall_clock, form.timezone, wanted))


def _in_zone(wall_clock: Any, timezone: str, wanted: Any) -> Any:
    moments, none = to_moments(wall_clock, timezone)
    if none:
        raise pa.ArrowInvalid("not a moment")  # a clock time that the zone has twice or never
    return pc.cast(moments, wanted)


def _iso(array: Any, declared: DateFormat) -> Any:
    """Put what the pattern captured together as ISO 8601; NULL stays NULL."""
    parts = pc.extract_regex(array, declared.pattern)
    if parts.null_count > array.null_count:
        raise pa.ArrowInvalid("not in the declared format")

    def part(name: str, width: int, default: str) -> Any:
        if name not in declared.groups:
            return pa.scalar(default)
        return pc.utf8_lpad(pc.struct_field(parts, name), width, "0")

    clock = (part("hour", 2, "00"), part("minute", 2, "00"), part("second", 2, "00"))
    text = pc.binary_join_element_wise(*clock, ":")
    if "fraction" in declared.groups:
        text = pc.binary_join_element_wise(text, pc.struct_field(parts, "fraction"), ".")
    if "zone" in declared.groups:
        text = pc.binary_join_element_wise(text, pc.struct_field(parts, "zone"), "")
    if "year" not in declared.groups:
        return text
    date = pc.binary_join_element_wise(part("year", 4, ""), part("month", 2, ""), part("day", 2, ""), "-")
    return pc.binary_join_element_wise(date, text, "T") if declared.groups - _DATE_PARTS else date


_DATE_PARTS: Final = frozenset({"year", "month", "day"})


def _json(array: Any, _form: TextForm) -> tuple[Any, list[int]]:
    bad = [row for row, text in enumerate(array.to_pylist()) if text is not None and not _is_json(text)]
    return (blank(array, bad) if bad else array), bad


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return not holds_nul(text)


def _uuids(array: Any, _form: TextForm) -> tuple[Any, list[int]]:
    bad = rows_where(pc.invert(pc.match_substring_regex(array, _UUID)))
    return pc.utf8_lower(blank(array, bad) if bad else array), bad


_HEX: Final = re.compile(r"(?:\\x)?((?:[0-9a-fA-F]{2})*)")


def _bytes(array: Any, form: TextForm) -> tuple[Any, list[int]]:
    decode = _from_base64 if form.format == "base64" else _from_hex
    decoded = [None if text is None else decode(text) for text in array.to_pylist()]
    missing = [row for row, value in enumerate(decoded) if value is None]
    bad = [row for row in missing if array[row].is_valid]
    return pa.array(decoded, pa.binary()), bad


def _from_hex(text: str) -> bytes | None:
    found = _HEX.fullmatch(text)
    return bytes.fromhex(found[1]) if found else None


def _from_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


_CELL_BY_CELL: Final[Mapping[Kind, Callable[[Any, TextForm], tuple[Any, list[int]]]]] = {
    "boolean": _booleans,
    "json": _json,
    "uuid": _uuids,
    "bytes": _bytes,
}
"""Kinds for which the bad cells are known at once, without a search."""
