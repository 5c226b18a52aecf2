"""Which type the values of a column suggest: tried with the very casts that a run uses."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import MAX_PRECISION, TEXT, ColumnType, Kind
from services.etl.pipeline.date_formats import parse_format
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.text_casting import fits

NULL_WORDS: Final = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN", "\\N", "-")
_ROOMY_PRECISION: Final = 18
_WORDS: Final = TextForm(true_tokens=("true", "yes"), false_tokens=("false", "no"))
_DATE_FORMATS: Final = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d")
_CLOCKS: Final = ("", " %H:%M", " %H:%M:%S")
_PLAIN: Final = (
    (ColumnType("date"), "dates as YYYY-MM-DD"),
    (ColumnType("timestamptz"), "times with a time zone"),
    (ColumnType("timestamp"), "times without a time zone"),
    (ColumnType("time"), "times of day"),
    (ColumnType("uuid"), "UUIDs"),
)


@dataclass(frozen=True, slots=True)
class Guess:
    """A type, why, and what it needs to be read: a format, words that mean NULL, the signs in numbers."""

    type: ColumnType
    reason: str
    format: str | None = None
    nulls: tuple[str, ...] = ()
    decimal_sign: str = "."
    thousands_sign: str = ""
    ambiguous: bool = False


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs in numbers that a person has declared; None where they are to be found out."""

    decimal: str | None = None
    thousands: str | None = None

    def all(self) -> Iterator[tuple[str, str]]:
        """Those that may be meant, likelier ones first: decimal and thousands sign."""
        for decimal in (self.decimal,) if self.decimal else (".", ","):
            likely = ("", "," if decimal == "." else ".")
            for thousands in likely if self.thousands is None else (self.thousands,):
                yield decimal, thousands


_FREE: Final = Signs()


def guess(column: Any, signs: Signs = _FREE) -> Guess:
    """The narrowest type that all values of a text column fit, once words for NULL are left out."""
    values = pc.drop_null(column)
    if not len(values):
        return Guess(TEXT, "no value was seen")
    found = _typed(values, signs)
    if found is not None:
        return found
    absent = pc.is_in(values, pa.array(NULL_WORDS, pa.string()))
    rest = values.filter(pc.invert(absent)) if pc.any(absent).as_py() else values.slice(0, 0)
    if len(rest):
        found = _typed(rest, signs)
        if found is not None:
            seen = set(pc.unique(values.filter(absent)).to_pylist())
            words = tuple(word for word in NULL_WORDS if word in seen)
            reason = f"{found.reason}; {', '.join(words)} taken as NULL"
            return replace(found, reason=reason, nulls=words)
    return Guess(TEXT, f"{len(values)} values that are no numbers, dates or times")


_HEAD: Final = 100
_NUMBER: Final = r"[+-]?[.,]?[0-9]"
_DAY: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_BEGINNINGS: Final[Mapping[Kind, str]] = {
    "int64": _NUMBER,
    "float64": _NUMBER,
    "boolean": "|".join((*_WORDS.true_tokens, *_WORDS.false_tokens)),
    "date": _DAY,
    "timestamptz": _DAY,
    "timestamp": _DAY,
    "time": "[0-9]{2}:",
    "uuid": "[0-9a-fA-F]{8}-",
    "json": r"\s*[\[{]",
}
"""How values of a kind begin. The first value rules most kinds out before a cast has to: a file of thousands
of columns would take many seconds otherwise."""


def _begins(values: Any, kind: Kind) -> bool:
    return re.match(_BEGINNINGS[kind], values[0].as_py(), re.IGNORECASE) is not None


def _fits(values: Any, kind: ColumnType, form: TextForm) -> bool:
    if not form.format and not _begins(values, kind.kind):
        return False
    return fits(values.slice(0, _HEAD), kind, form) and fits(values, kind, form)


def _typed(values: Any, signs: Signs) -> Guess | None:
    return _number(values, signs) or _word(values) or _moment(values) or _json(values)


def _number(values: Any, signs: Signs) -> Guess | None:
    if not _begins(values, "int64") or pc.any(pc.match_substring_regex(values, r"^[+-]?0[0-9]")).as_py():
        return None  # leading zeros: an article number, a postcode
    if _fits(values, ColumnType("int64"), TextForm()):
        return Guess(ColumnType("int64"), f"{len(values)} whole numbers")
    for decimal, thousands in signs.all():
        parts = pc.extract_regex(values, _spelled(decimal, thousands))
        if parts.null_count == 0 and (signs.thousands or not thousands or _are_grouped(parts, thousands)):
            found = _decimal(parts, len(values), thousands)
            return found and replace(found, decimal_sign=decimal, thousands_sign=thousands)
    if _fits(values, ColumnType("float64"), TextForm()):
        return Guess(ColumnType("float64"), f"{len(values)} numbers with an exponent")
    return None


def _spelled(decimal: str, thousands: str) -> str:
    """What numbers with these signs look like, with the digits before the decimal sign and behind it."""
    grouped = rf"[0-9]{{1,3}}(?:{re.escape(thousands)}[0-9]{{3}})+|" if thousands else ""
    return rf"^[+-]?(?P<whole>{grouped}[0-9]+)(?:{re.escape(decimal)}(?P<part>[0-9]+))?$"


def _are_grouped(parts: Any, thousands: str) -> bool:
    """Whether a value shows beyond doubt that the sign groups thousands: 1,234 may be a bit over one."""
    whole, part = pc.struct_field(parts, "whole"), pc.struct_field(parts, "part")
    groups = pc.count_substring(whole, thousands)
    both = pc.and_(pc.greater(groups, 0), pc.not_equal(part, ""))
    return bool(pc.any(pc.or_(pc.greater(groups, 1), both)).as_py())


def _decimal(parts: Any, count: int, thousands: str) -> Guess | None:
    digits = pc.struct_field(parts, "whole")
    digits = pc.replace_substring(digits, thousands, "") if thousands else digits
    scale = pc.max(pc.utf8_length(pc.struct_field(parts, "part"))).as_py()
    whole = pc.max(pc.utf8_length(digits)).as_py()
    precision = max(_ROOMY_PRECISION, whole + scale)
    if precision > MAX_PRECISION:
        return None
    kind = ColumnType("decimal", precision=precision, scale=scale)
    return Guess(kind, f"{count} numbers with up to {scale} digits after the sign")


def _word(values: Any) -> Guess | None:
    if _fits(values, ColumnType("boolean"), _WORDS):
        return Guess(ColumnType("boolean"), f"{len(values)} times true or false")
    return None


def _moment(values: Any) -> Guess | None:
    for kind, what in _PLAIN:
        if _fits(values, kind, TextForm()):
            return Guess(kind, f"{len(values)} {what}")
    first = values[0].as_py()
    fitting = [
        (kind, spelled)
        for kind, spelled, pattern in _formats()
        if pattern.match(first) and _fits(values, kind, TextForm(format=spelled))
    ]
    if not fitting:
        return None
    kind, spelled = fitting[0]
    if len(fitting) > 1:
        both = " and ".join(form for _, form in fitting)
        return Guess(TEXT, f"dates that fit both {both}: declare one", ambiguous=True)
    return Guess(kind, f"{len(values)} dates in the format {spelled}", format=spelled)


@lru_cache(maxsize=1)
def _formats() -> Sequence[tuple[ColumnType, str, re.Pattern[str]]]:
    formats = []
    for clock in _CLOCKS:
        for date in _DATE_FORMATS:
            kind = ColumnType("timestamp" if clock else "date")
            formats.append((kind, date + clock, re.compile(parse_format(date + clock, kind.kind).pattern)))
    return formats


def _json(values: Any) -> Guess | None:
    if not _begins(values, "json"):
        return None
    opened = pc.match_substring_regex(values, r"^\s*[\[{]")
    if pc.all(opened).as_py() and _fits(values, ColumnType("json"), TextForm()):
        return Guess(ColumnType("json"), f"{len(values)} JSON objects or lists")
    return None
