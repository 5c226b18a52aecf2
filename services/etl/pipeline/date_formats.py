"""Declared formats of dates and times: day/month/year and the like, without guessing.

A format becomes a pattern; what it captures is put together as ISO 8601 and parsed strictly, so that
31/02 is no date: `strptime` of Arrow would make it the third of March.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.errors import Invalid, Loc


class DateFormatUnknown(Invalid):
    """The format {text!r} can't be used: {reason}."""


@dataclass(frozen=True, slots=True)
class DateFormat:
    """A format as an anchored pattern (RE2 syntax) with named groups, one for each directive."""

    pattern: str
    groups: frozenset[str]


_DIRECTIVES: Final[Mapping[str, tuple[str, str]]] = {
    "Y": ("year", r"\d{4}"),
    "m": ("month", r"\d{1,2}"),
    "d": ("day", r"\d{1,2}"),
    "H": ("hour", r"\d{1,2}"),
    "M": ("minute", r"\d{1,2}"),
    "S": ("second", r"\d{1,2}"),
    "f": ("fraction", r"\d{1,6}"),
    "z": ("zone", r"Z|[+-]\d{2}(?::?\d{2})?"),
}
_FURTHER: Final[Mapping[str, tuple[str, str]]] = {
    "y": ("short_year", r"\d{2}"),
    "b": ("month_name", r"[A-Za-z]{3}"),
    "B": ("month_name", r"[A-Za-z]{3,9}"),
    "I": ("half_day_hour", r"\d{1,2}"),
    "p": ("half", r"[AaPp]\.?[Mm]\.?"),
}
_MEANT: Final = {"short_year": "year", "month_name": "month", "half_day_hour": "hour"}
_DATE: Final = frozenset({"year", "month", "day"})
_CLOCK: Final = frozenset({"hour", "minute"})


def parse_format(text: str, kind: str, *, loc: Loc = (), further: bool = False) -> DateFormat:
    """Read a format like `%d/%m/%Y %H:%M:%S` for a column of this kind. Raises DateFormatUnknown.

    `further` allows years of two digits, names of months and hours of half days: %y, %b, %B, %I, %p.
    """
    directives = {**_DIRECTIVES, **_FURTHER} if further else _DIRECTIVES
    pattern, groups, position = "", set[str](), 0
    while position < len(text):
        character = text[position]
        if character != "%" or text[position + 1 : position + 2] == "%":
            pattern += re.escape("%" if character == "%" else character)
            position += 1 + (character == "%")
            continue
        letter = text[position + 1 : position + 2]
        name, digits = directives.get(letter, ("", ""))
        if not name or _MEANT.get(name, name) in _meant(groups):
            reason = f"%{letter} is used twice" if name else f"it knows %{', %'.join(directives)} and %%"
            raise DateFormatUnknown(loc=loc, text=text[:80], reason=reason)
        groups.add(name)
        pattern += f"(?P<{name}>{digits})"
        position += 2
    _check_parts(text, groups, kind, loc)
    if ("half" in groups) != ("half_day_hour" in groups):
        raise DateFormatUnknown(loc=loc, text=text[:80], reason="%I and %p need each other")
    return DateFormat(f"^(?:{pattern})$", frozenset(groups))


def _meant(groups: set[str]) -> set[str]:
    """What the groups tell, in whichever way."""
    return {_MEANT.get(name, name) for name in groups}


def _check_parts(text: str, found: set[str], kind: str, loc: Loc) -> None:
    groups = _meant(found)
    needs_date, needs_clock = kind != "time", kind == "time"
    missing = (_DATE - groups if needs_date else set()) | (_CLOCK - groups if needs_clock else set())
    surplus = (groups & _DATE if kind == "time" else set()) | (groups - _DATE if kind == "date" else set())
    if "zone" in groups and kind != "timestamptz":
        surplus = surplus | {"zone"}
    if missing or surplus:
        wrong = f"it lacks the {min(missing)}" if missing else f"a {kind} has no {min(surplus)}"
        raise DateFormatUnknown(loc=loc, text=text[:80], reason=wrong)
