"""What of JSON records no column is declared for."""

from collections.abc import Iterable
from typing import Any, Final, cast

from services.etl.pipeline.json_paths import JsonPath

_TAKEN: Final = None
_Tree = dict[str, Any]
"""The keys that columns take something from: `_TAKEN` for the whole value, or the same of its own keys."""


class Undeclared:
    """Tells what of a record is in no column. Of an object that paths go into, that is the rest of its keys.

    A list, or a value in which a path ends too early, is kept whole, unless a column takes it whole.
    """

    def __init__(self, places: Iterable[JsonPath]) -> None:
        self._tree: _Tree = {}
        for place in places:
            if place and all(isinstance(key, str) for key in place):
                _take(self._tree, [str(key) for key in place])
        self._whole = {key for key, below in self._tree.items() if below is _TAKEN}

    def of(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The part of a record that no column takes; None where nothing is left."""
        if record.keys() <= self._whole:
            return None
        return _rest(record, self._tree) or None


def _take(tree: _Tree, place: list[str]) -> None:
    *outer, last = place
    for key in outer:
        below = tree.setdefault(key, {})
        if below is _TAKEN:
            return
        tree = cast("_Tree", below)
    tree[last] = _TAKEN


def _rest(value: dict[str, Any], tree: _Tree) -> dict[str, Any]:
    rest = {}
    for key, item in value.items():
        if key not in tree:
            rest[key] = item
        elif (below := tree[key]) is not _TAKEN:
            inner = _rest(item, below) if isinstance(item, dict) else item
            if inner not in (None, {}):
                rest[key] = inner
    return rest
