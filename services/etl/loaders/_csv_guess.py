"""Guesses about the form of a CSV file, from its first bytes. A person sees and confirms them."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.etl.pipeline.errors import EncodingInvalid

_DELIMITERS: Final = (",", ";", "\t", "|", ":")
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


def encoding(head: bytes) -> str:
    """The encoding by its mark, else UTF-8 when the bytes fit it, else Windows-1252."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


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
