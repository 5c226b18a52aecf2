"""Guesses about the form of a CSV file, from its first bytes. A person sees and confirms them."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.etl.pipeline.errors import EncodingInvalid

_DELIMITERS: Final = (",", ";", "\t", "|", ":")
_IN_TIMES: Final = ":"
"""It stands in times of day, too: a column of them is taken apart by it, and its name is not."""

_LINES: Final = 100
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Delimiter, quote and escape, and how many of the first records have the usual number of fields."""

    delimiter: str
    quote: str | None
    escape: str | None
    agreement: float


@dataclass(frozen=True, slots=True)
class Spelling:
    """An encoding, and which others the bytes fit where a person has to choose."""

    encoding: str
    others: tuple[str, ...] = ()


def encoding(head: bytes, *, later: bytes = b"") -> Spelling:
    """The encoding by its mark, else UTF-8 when the bytes fit it, else what they are likely to be.

    `later` are whole lines from further on.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Spelling(name)
    if b"\x00" in head[:_SAMPLE]:
        return Spelling(_utf16(head[:_SAMPLE]) or "utf-8")
    head = head[: head.rfind(b"\n") + 1] + later if later else head
    if _fits(head, "utf-8"):
        return Spelling("utf-8")
    likely = [name for name in _ASIAN if _fits(head, name) and _is_asian(text_of(head, name))]
    candidates = [*likely, "cp1252", *(name for name in _ASIAN if name not in likely and _fits(head, name))]
    return Spelling(candidates[0], tuple(candidates[1:]) or ("iso-8859-1",))


_SAMPLE: Final = 1 << 16
_ASIAN: Final = ("shift_jis", "gb18030", "big5")
_LETTERS: Final = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uff01-\uff9f\u3000-\u303f]")


def _fits(head: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of plain letters is zero."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_asian(text: str) -> bool:
    """Whether nearly all signs beyond ASCII are ones that Chinese or Japanese texts are made of."""
    beyond = [sign for sign in text if ord(sign) > 127]  # noqa: PLR2004  the last of ASCII
    return len(_LETTERS.findall("".join(beyond))) * 10 >= len(beyond) * 9


def after(text: str, *, lines: int) -> str:
    """The text without its first lines."""
    return "".join(text.splitlines(keepends=True)[lines:]) if lines else text


def text_of(head: bytes, name: str) -> str:
    """The beginning as text, whatever doesn't fit replaced: enough to guess by.

    Raises EncodingInvalid where nothing can be replaced, as in UTF-16 without a byte order mark.
    """
    decoder = codecs.getincrementaldecoder(name)(errors="replace")
    try:
        return decoder.decode(head).removeprefix("\ufeff")
    except UnicodeError:
        raise EncodingInvalid(encoding=name, offset=0) from None


def dialect(text: str, *, delimiter: str | None, quote: str | None, escape: str | None) -> Dialect:
    """The dialect under which the first records agree best on their number of fields."""
    quote = quote or '"'
    if escape is None and f"\\{quote}" in text and quote * 2 not in text:
        escape = "\\"
    candidates = [delimiter] if delimiter else list(_DELIMITERS)
    found = [(_agreement(text, sign, quote, escape), sign) for sign in candidates]
    (fields, agreement), best = max(found, key=lambda item: (item[0][0] > 1, item[0][1], item[0][0]))
    if fields <= 1 and delimiter is None:
        best = ","
    return Dialect(best, quote, escape, agreement)


def _agreement(text: str, delimiter: str, quote: str, escape: str | None) -> tuple[int, float]:
    """The usual number of fields, and the share of records that have it."""
    counts = Counter(len(record) for record in _records(text, delimiter, quote, escape) if record)
    if not counts:
        return 0, 0.0
    fields, times = counts.most_common(1)[0]
    if delimiter == _IN_TIMES and len(counts) > 1:
        return 1, 1.0
    return fields, times / counts.total()


def _records(text: str, delimiter: str, quote: str, escape: str | None) -> Iterator[list[str]]:
    lines = io.StringIO(text[: 1 << 18], newline="")
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, escapechar=escape)
    try:
        for _, record in zip(range(_LINES), reader, strict=False):
            yield record
    except csv.Error:
        return


def looks_like_header(fields: list[str]) -> bool:
    """Whether a first record can be names: all there, all different, none of them a number."""
    named = [field.strip() for field in fields]
    if not all(named) or len(set(named)) != len(named):
        return any(named) and not any(_is_number(field) for field in named)
    return not any(_is_number(field) for field in named)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
