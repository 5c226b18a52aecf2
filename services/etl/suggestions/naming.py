"""Names that a database takes, made of those that it wouldn't take as they are. Pure."""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator

from shared.engines.errors import MAX_IDENTIFIER_BYTES

_HASH_DIGITS = 8
_STEM_BYTES = MAX_IDENTIFIER_BYTES - _HASH_DIGITS - 1


def fitting(name: str, other: str, taken: Collection[str], accepts: Callable[[str], bool]) -> str:
    """The name, or one like it that is accepted and isn't among the `taken` ones, which are folded.

    `other` is an accepted name for where nothing like it is.
    """
    bare = name.replace("\x00", "").encode(errors="ignore").decode()
    stems = (stem for stem in (bare, f"{bare}_", plain(bare)) if stem.strip(" _"))
    stem = next((stem for stem in map(shortened, stems) if accepts(stem)), other)
    return next(one for one in _numbered(stem) if folded(one) not in taken)


def folded(name: str) -> str:
    """Equal for names that some database can't tell apart."""
    return unicodedata.normalize("NFKC", name).casefold()


def plain(text: str) -> str:
    """A title or the name of a file as a name that needs no quotes where its letters allow it."""
    return re.sub(r"\W+", "_", text).strip("_").lower()


def shortened(name: str) -> str:
    """The name within 63 bytes; longer ones are told apart by a hash at their end."""
    raw = name.encode()
    if len(raw) <= MAX_IDENTIFIER_BYTES:
        return name
    mark = hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
    return f"{raw[:_STEM_BYTES].decode(errors='ignore')}_{mark}"


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    for number in itertools.count(2):
        yield shortened(f"{stem}_{number}")
