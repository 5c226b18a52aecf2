"""JSON without loss, and paths into it. Plain Python.

Numbers are kept as they are spelled: 1.10 stays 1.10, and 20 digits stay 20 digits.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from shared.errors import Invalid, Loc

MAX_KEYS: Final = 50
MISSING: Final = object()
"""What `found` gives where there is nothing; JSON's null is None."""

JsonPath = Sequence[str | int]
"""Names in objects and positions in arrays, from the outside to the inside. Empty: the whole value."""

_STEP: Final = re.compile(
    r'(?P<dot>\.?)(?:(?P<name>[^.\[\]"\x00]+)|(?P<quoted>"(?:[^"\\]|\\.)*"))|\[(?P<place>[0-9]{1,9})\]'
)


class JsonPathInvalid(Invalid):
    """The path {text!r} can't be read: write it as a.b[0]."name with dots"; it stops at {position}."""


class Number(str):
    """A number as JSON spells it."""

    __slots__ = ()


def parse_path(text: str, *, loc: Loc = ()) -> JsonPath:
    """Read a path like `a.b[0]."odd name"`; `$` alone is the whole value. Raises JsonPathInvalid."""
    position = len("$") if text.startswith("$") else 0
    steps = list[str | int]()
    while position < len(text):
        found = _STEP.match(text, position)
        key = _key(found) if found else None
        first = position == 0
        dotted = found is not None and bool(found["dot"])
        if found is None or key is None or (isinstance(key, str) and dotted == first):
            raise JsonPathInvalid(loc=loc, text=text[:200], position=position + 1)
        steps.append(key)
        position = found.end()
    if not text or len(steps) > MAX_KEYS:
        raise JsonPathInvalid(loc=loc, text=text[:200], position=position + 1)
    return tuple(steps)


def _key(found: re.Match[str]) -> str | int | None:
    if found["place"] is not None:
        return int(found["place"])
    if found["quoted"] is None:
        return found["name"]
    try:
        return str(json.loads(found["quoted"]))
    except ValueError:
        return None


def found(path: JsonPath, tree: Any) -> Any:
    """What is there in a value that `loads` gave; MISSING where nothing is, None for null."""
    for key in path:
        if isinstance(key, str):
            tree = tree.get(key, MISSING) if isinstance(tree, dict) else MISSING
        else:
            tree = tree[key] if isinstance(tree, list) and key < len(tree) else MISSING
        if tree is MISSING:
            return MISSING
    return tree


def loads(text: str) -> Any:
    """A JSON text as dicts, lists, strings, booleans, None and Numbers; the last of equal names counts.

    Raises ValueError where it is no JSON (RFC 8259: neither NaN nor infinities), holds a lone surrogate or a
    NUL character, or is nested deeper than Python can follow.
    """
    try:
        tree = _DECODER.decode(text)
        if "\\u" in text:
            dumps(tree).encode()  # a lone surrogate has no UTF-8
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if "\\u0000" in text and "\x00" in _strings(tree):
        raise ValueError("a NUL character")
    return tree


def holds_nul(text: str) -> bool:
    """Whether a string of a JSON text holds a NUL character: jsonb has none (PostgreSQL manual, 8.14.1)."""
    return "\\u0000" in text and "\\u0000" in text.replace("\\\\", "")


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refused)
"""Made once: `json.loads` would make one for each text, which takes longer than to read it."""


def _strings(tree: Any) -> str:
    """All names and strings of a value, run together."""
    if isinstance(tree, dict):
        return "".join(key + _strings(value) for key, value in tree.items())
    if isinstance(tree, list):
        return "".join(_strings(value) for value in tree)
    return tree if isinstance(tree, str) else ""


def dumps(tree: Any) -> str:
    """The shortest JSON text of what `loads` gave, in the order it had."""
    if isinstance(tree, Number):
        return str(tree)
    if isinstance(tree, dict):
        inner = ",".join(
            f"{json.dumps(key, ensure_ascii=False)}:{dumps(value)}" for key, value in tree.items()
        )
        return f"{{{inner}}}"
    if isinstance(tree, list):
        return f"[{','.join(map(dumps, tree))}]"
    return json.dumps(tree, ensure_ascii=False)


def spelled(value: Any) -> str | None:
    """A value as the text of a cell: strings without quotes, null as None, objects and arrays as JSON."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return dumps(value)
