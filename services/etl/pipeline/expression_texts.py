"""Texts in expressions. With constant arguments a function is one of Arrow's, else it goes row by row."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import re2

from services.etl.pipeline import json_paths
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.expression_values import Failed, Value, by_rows

MAX_WIDTH: Final = 10_000
_RANGE: Final = "out_of_range"

Fast = Callable[..., Any]
"""Of an array and the constants behind it; NotImplemented where Arrow's function means something else."""


def by_text(node: Typed, arrays: list[Any]) -> Value:
    """A function whose first argument is a text."""
    constants = [argument.value for argument in node.arguments[1:] if argument.is_constant]
    fast, slow, kind = _FUNCTIONS[node.op]
    if fast is not None and len(constants) == len(arrays) - 1 and None not in constants:
        found = fast(arrays[0], *constants)
        if found is not NotImplemented:
            return Value(found)
    return by_rows(slow, arrays, kind)


def concatenated(_node: Typed, arrays: list[Any]) -> Value:
    """NULL is nothing. Not by `skip`: it leaves rows out in which all is NULL (pyarrow 26)."""
    return Value(pc.binary_join_element_wise(*arrays, "", null_handling="replace", null_replacement=""))


def joined(_node: Typed, arrays: list[Any]) -> Value:
    return Value(pc.binary_join_element_wise(*arrays, "", null_handling="emit_null"))


def _trim(kernel: Fast, stripped: Fast) -> Fast:
    def trim(array: Any, characters: str | None = None) -> Any:
        if characters is None:
            return stripped(array)
        return kernel(array, characters=characters) if characters else array

    return trim


def _slice(array: Any, start: int, stop: int | None) -> Any:
    return pc.utf8_slice_codeunits(array, start, stop)


def _substring(array: Any, start: int, count: int | None = None) -> Any:
    if start < 1 or (count is not None and count < 0):
        return NotImplemented
    return _slice(array, start - 1, None if count is None else start - 1 + count)


def _substring_of(text: str, start: int, count: int | None = None) -> str:
    if start < 1:
        raise Failed(_RANGE, "is cut from before its first character, which has the number 1")
    if count is not None and count < 0:
        raise Failed(_RANGE, "is cut to a negative length")
    return text[start - 1 : None if count is None else start - 1 + count]


def _left(array: Any, count: int) -> Any:
    return _slice(array, 0, count) if count >= 0 else NotImplemented


def _right(array: Any, count: int) -> Any:
    if count == 0:
        return _slice(array, 0, 0)
    return _slice(array, -count, None) if count > 0 else NotImplemented


def _right_of(text: str, count: int) -> str:
    _substring_of(text, 1, count)
    return text[max(0, len(text) - count) :]


def _replace(array: Any, old: str, new: str) -> Any:
    return pc.replace_substring(array, old, new) if old else array


def _pad(kernel: Fast) -> Fast:
    def pad(array: Any, width: int, fill: str = " ") -> Any:
        if len(fill) != 1 or not 0 <= width <= MAX_WIDTH:
            return NotImplemented
        return _slice(kernel(array, width, fill), 0, width)

    return pad


def _padding(text: str, width: int, fill: str) -> str:
    if not 0 <= width <= MAX_WIDTH:
        raise Failed(_RANGE, f"is filled to a width that is not from 0 to {MAX_WIDTH}")
    missing = max(0, width - len(text))
    return (fill * missing)[:missing]


def _lpad_of(text: str, width: int, fill: str = " ") -> str:
    return (_padding(text, width, fill) + text)[:width]


def _rpad_of(text: str, width: int, fill: str = " ") -> str:
    return (text + _padding(text, width, fill))[:width]


def _part_of(text: str, separator: str, number: int) -> str | None:
    if number < 1:
        raise Failed(_RANGE, "is asked for a part before its first, which has the number 1")
    parts = text.split(separator) if separator else [text]
    return parts[number - 1] if number <= len(parts) else None


def _replace_of(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _extracted_of(text: str, pattern: str, group: int = 0) -> str | None:
    found = re2.search(pattern, text)
    return found[group] if found else None


def _json_of(text: str, path: str) -> str | None:
    try:
        value = json_paths.found(json_paths.parse_path(path), json_paths.loads(text))
    except ValueError:
        raise Failed("not_json", "is not JSON") from None
    if value is json_paths.MISSING or value is None or isinstance(value, dict | list):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


_TEXT: Final = pa.string()
_FUNCTIONS: Final[Mapping[str, tuple[Fast | None, Callable[..., Any], Any]]] = {
    "lower": (pc.utf8_lower, str.lower, _TEXT),
    "upper": (pc.utf8_upper, str.upper, _TEXT),
    "trim": (_trim(pc.utf8_trim, pc.utf8_trim_whitespace), str.strip, _TEXT),
    "ltrim": (_trim(pc.utf8_ltrim, pc.utf8_ltrim_whitespace), str.lstrip, _TEXT),
    "rtrim": (_trim(pc.utf8_rtrim, pc.utf8_rtrim_whitespace), str.rstrip, _TEXT),
    "length": (lambda array: pc.cast(pc.utf8_length(array), pa.int64()), len, pa.int64()),
    "substring": (_substring, _substring_of, _TEXT),
    "left": (_left, lambda text, count: _substring_of(text, 1, count), _TEXT),
    "right": (_right, _right_of, _TEXT),
    "lpad": (_pad(pc.utf8_lpad), _lpad_of, _TEXT),
    "rpad": (_pad(pc.utf8_rpad), _rpad_of, _TEXT),
    "replace": (_replace, _replace_of, _TEXT),
    "split_part": (None, _part_of, _TEXT),
    "starts_with": (pc.starts_with, str.startswith, pa.bool_()),
    "ends_with": (pc.ends_with, str.endswith, pa.bool_()),
    "contains": (pc.match_substring, str.__contains__, pa.bool_()),
    "like": (pc.match_like, str.__contains__, pa.bool_()),
    "regex_matches": (pc.match_substring_regex, str.__contains__, pa.bool_()),
    "regex_replace": (pc.replace_substring_regex, str.__contains__, _TEXT),
    "regex_extract": (None, _extracted_of, _TEXT),
    "md5": (None, lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), _TEXT),
    "sha256": (None, lambda text: hashlib.sha256(text.encode()).hexdigest(), _TEXT),
    "json_value": (None, _json_of, _TEXT),
}
"""How a function works on an array with constants, how on one row, and the Arrow type that it gives."""
NAMES: Final = frozenset(_FUNCTIONS)
