"""Arguments that must be constants, so that they can be checked before there is data."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import re2

from services.etl.pipeline.conditions import PatternInvalid, check_pattern
from services.etl.pipeline.expression_functions import CLOCK_UNITS, DAY_UNITS, PART_UNITS, Takes
from services.etl.pipeline.expression_tree import Call, Wrong
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.json_paths import JsonPathInvalid, parse_path
from services.etl.pipeline.timezones import is_zone

MAX_DIGITS: Final = 38
_MOVING: Final = (*DAY_UNITS, *CLOCK_UNITS)


def check_together(node: Call, arguments: Sequence[Typed]) -> None:
    """Check constants that depend on the function or on each other. Raises Wrong."""
    units = PART_UNITS if node.function == "extract" else _MOVING
    if node.function in {"extract", "date_trunc", "date_add", "date_diff"}:
        _check_unit(arguments[0], units)
    if node.function in {"regex_matches", "regex_replace", "regex_extract"}:
        _check_pattern(arguments[1])
    if node.function == "regex_replace":
        _check_replacement(arguments[1], arguments[2])
    if node.function == "regex_extract" and len(arguments) > 2:  # noqa: PLR2004  text, pattern, group
        _check_group(arguments[1], arguments[2])


def _text(node: Typed, what: str) -> str:
    if not node.is_constant or not isinstance(node.value, str):
        raise Wrong(node.at, f"{what} is written as a text in single quotes")
    return node.value


def _check_unit(node: Typed, units: Sequence[str]) -> None:
    if node.value not in units:
        raise Wrong(node.at, f"there is no unit {str(node.value)!r} here; there are {', '.join(units)}")


def _check_pattern(node: Typed) -> None:
    try:
        check_pattern(node.value, loc=())
    except PatternInvalid as error:
        raise Wrong(node.at, str(error).rstrip(".")) from None


def _check_group(pattern: Typed, group: Typed) -> None:
    groups = re2.compile(pattern.value).groups
    if group.value > groups:
        raise Wrong(group.at, f"the pattern has {groups} groups")


def _check_replacement(pattern: Typed, replacement: Typed) -> None:
    groups, text = re2.compile(pattern.value).groups, replacement.value.replace("\\\\", "")
    for position, sign in enumerate(text):
        follows = text[position + 1 : position + 2]
        if sign == "\\" and (not follows.isdecimal() or int(follows) > groups):
            raise Wrong(
                replacement.at, f"\\{follows} is no group of the pattern; a backslash is written twice"
            )


def _digits(node: Typed) -> None:
    whole = node.is_constant and isinstance(node.value, int) and not isinstance(node.value, bool)
    if not whole or not 0 <= node.value <= MAX_DIGITS:
        raise Wrong(node.at, f"a number from 0 to {MAX_DIGITS} is expected here")


def _zone(node: Typed) -> None:
    if not is_zone(_text(node, "a time zone")):
        raise Wrong(node.at, "there is no time zone of this name")


def _path(node: Typed) -> None:
    try:
        parse_path(_text(node, "a path"))
    except JsonPathInvalid as error:
        raise Wrong(node.at, str(error).rstrip(".")) from None


def _unit(node: Typed) -> None:
    _text(node, "a unit")


def _pattern(node: Typed) -> None:
    _text(node, "a pattern")


CONSTANTS: Final[Mapping[Takes, Callable[[Typed], None]]] = {
    "digits": _digits,
    "unit": _unit,
    "pattern": _pattern,
    "zone": _zone,
    "path": _path,
}
"""How each constant is checked by itself."""
