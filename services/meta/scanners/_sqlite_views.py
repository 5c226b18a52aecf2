"""How much SQLite would have to expand for a view, told from the texts of the views alone.

SQLite puts the text of a view (and of a common table expression) in every place that names it, whenever a
statement is prepared. Neither a progress handler nor an interrupt ends that, so a few dozen views that name
each other twice would take hours: what is too much has to be known beforehand.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 1000
"""Expansions after which a view isn't read; SQLite takes about a second for so many."""
MOST_TEXT: Final = 1_000_000
"""Characters of a view's text after which it isn't looked into."""
_DEEPEST: Final = 100
_TABLE_FOLLOWS: Final = frozenset({"from", "join", "in", ",", "(", "main."})
_TOKEN: Final = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|\d[\w.]*"""
    r"""|"((?:[^"]|"")*)"|`((?:[^`]|``)*)`|\[([^\]]*)\]|'((?:[^']|'')*)'"""
    r"""|([A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)|([(),.])""",
    re.DOTALL,
)
_QUOTES: Final = ('""', "``", "", "''")


@dataclass
class _Part:
    """A view's text or the body of common table expressions of one name: how often it names what."""

    names: Counter[str] = field(default_factory=Counter)
    definitions: int = 1


@dataclass
class _View:
    own: _Part = field(default_factory=_Part)
    local: dict[str, _Part] = field(default_factory=dict)


class Expansions:
    """Counts for views, given by name with their texts.

    Never too low; too high where a column in a list has the name of a view, or in a circle of names.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = {name.lower(): text for name, text in texts.items()}
        self._views: dict[str, _View] = {}
        self._sizes: dict[tuple[str, str], int] = {}

    def are_too_many(self, view: str) -> bool:
        """Whether reading the view would expand more than `MOST` texts."""
        return view.lower() in self._texts and self._size(view.lower(), "", 0) > MOST

    def _size(self, view: str, local: str, depth: int) -> int:
        known = self._sizes.get((view, local))
        if known is not None:
            return known
        if depth > _DEEPEST or len(self._texts[view]) > MOST_TEXT:
            return MOST + 1
        self._sizes[view, local] = MOST + 1  # what a circle comes to
        if view not in self._views:
            self._views[view] = _parsed(self._texts[view])
        part = self._views[view].local[local] if local else self._views[view].own
        size = 1
        for name, times in (+part.names).items():
            size += times * self._size_of_name(name, view, local, depth + 1)
            if size > MOST:
                break
        self._sizes[view, local] = min(size, MOST + 1)
        return self._sizes[view, local]

    def _size_of_name(self, name: str, view: str, local: str, depth: int) -> int:
        """A name may be a common table expression in one place and a view in another: both count."""
        size = 0
        part = self._views[view].local.get(name)
        if part is not None and not (name == local and part.definitions == 1):  # else it is recursive
            size += self._size(view, name, depth)
        if name != view and name in self._texts:  # SQLite refuses a view of itself
            size += self._size(name, "", depth)
        return size


def _parsed(text: str) -> _View:
    """Take the text apart: `name [(columns)] AS [[NOT] MATERIALIZED] (` opens a body of its own."""
    view = _View()
    bodies = [(0, view.own)]
    opened: list[str] = []
    last = before = candidate = ""
    for name, is_plain in _tokens(text):
        if is_plain and name == "(":
            opened.append(before)
            if candidate:
                bodies.append((len(opened), _defined(view, candidate)))
            before = candidate = ""
        elif is_plain and name == ")":
            if bodies[-1][0] == len(opened) > 0:
                bodies.pop()
            before, candidate = (opened or [""]).pop(), ""
        elif is_plain and name == "as":
            candidate = before
        elif not (candidate and is_plain and name in {"not", "materialized"}):
            bodies[-1][1].names[name] += last in _TABLE_FOLLOWS
            before, candidate = name, ""
        last = f"{last}." if name == "." and is_plain else name
    return view


def _defined(view: _View, name: str) -> _Part:
    if name in view.local:
        view.local[name].definitions += 1
    return view.local.setdefault(name, _Part())


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Names and punctuation in lower case, with whether it's written without quotes."""
    for found in _TOKEN.finditer(text):
        *quoted, word, mark = found.groups()
        if word is not None or mark is not None:
            yield (word or mark).lower(), True
            continue
        for name, doubled in zip(quoted, _QUOTES, strict=True):
            if name is not None:
                yield (name.replace(doubled, doubled[0]) if doubled else name).lower(), False
