"""Which keys of a bucket a pattern names: `*` and `?` stay within a folder, `**` goes through all of them."""

import re
from collections.abc import Callable
from typing import Final

import re2

_WILD: Final = "*?["
_ANY: Final = "[^/]"
_NONE: Final = r"[^\x{0}-\x{10FFFF}]"
_RANGES: Final = re.compile("(.)-(.)|(.)", re.DOTALL)


def is_exact(pattern: str) -> bool:
    """Whether it is a key as it stands."""
    return not any(sign in pattern for sign in _WILD)


def prefix_of(pattern: str) -> str:
    """What all keys that fit begin with."""
    return pattern[: min((pattern + _WILD).index(sign) for sign in _WILD)]


def fitting(pattern: str) -> Callable[[str], bool]:
    """Tells whether a key fits. Time is linear in the key's length, whatever the pattern."""
    compiled = re2.compile("(?s)" + _expression(pattern))
    return lambda key: compiled.fullmatch(key) is not None


def _expression(pattern: str) -> str:
    parts, at = list[str](), 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif (
            pattern[at] == "[" and (end := pattern.find("]", at + 2 + (pattern[at + 1 : at + 2] == "!"))) > 0
        ):
            parts.append(_choice(pattern[at + 1 : end]))
            at = end + 1
        else:
            parts.append({"*": f"{_ANY}*", "?": _ANY}.get(pattern[at]) or re2.escape(pattern[at]))
            at += 1
    return "".join(parts)


def _choice(signs: str) -> str:
    """One of these signs, or none of them after an exclamation mark; `a-f` are all between."""
    without = signs.startswith("!")
    found = _RANGES.findall(signs.removeprefix("!"))
    ranges = [(first or only, last or only) for first, last, only in found]
    spelled = "".join(f"{_sign(first)}-{_sign(last)}" for first, last in ranges if first <= last)
    if without:
        return f"[^/{spelled}]"
    return f"[{spelled}]" if spelled else _NONE


def _sign(sign: str) -> str:
    return f"\\x{{{ord(sign):X}}}"
