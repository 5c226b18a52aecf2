"""Casts of types that only MySQL and MariaDB have: lists of words that grow, and texts that become ours."""

import re
from typing import Final

from services.etl.tables.definition import ColumnDefinition

from ._mysql_algorithms import Algorithm
from ._mysql_casts import Cast
from ._mysql_types import parts
from .work import Sql

_TEXTUAL: Final = re.compile(r"(?:var)?char\(\d+\)|(?:tiny|medium|long)?text|(?:enum|set)\(.*\)", re.DOTALL)
_LIST: Final = re.compile(r"(enum|set)\((.*)\)", re.DOTALL)
_WORD: Final = re.compile(r"'(?:[^']|'')*'")


def castable(before: ColumnDefinition, after: ColumnDefinition) -> bool:
    """Whether a value of the one type is one of the other, with the same text."""
    if before.native is None:
        return False
    if after.native is None:
        return after.type.is_text and _TEXTUAL.fullmatch(parts(before.native)[0]) is not None
    old, new = _words(before.native), _words(after.native)
    return old is not None and new is not None and old[0] == new[0] and set(old[1]) <= set(new[1])


def cast(after: ColumnDefinition, column: Sql) -> Cast:
    """MODIFY keeps the text; only a shorter type can't hold it."""
    if after.native is not None:
        return Cast(column)
    length = after.type.length
    misfit = None if length is None else Sql(f"CHAR_LENGTH({column}) > {length}")
    return Cast(Sql(f"CONVERT({column} USING utf8mb4) COLLATE utf8mb4_bin"), misfit)


def algorithm(before: ColumnDefinition, after: ColumnDefinition) -> Algorithm:
    """More words at the end of a list are nothing but a longer list, as long as they take as many bytes."""
    if before.native is None or after.native is None or parts(before.native)[1:] != parts(after.native)[1:]:
        return Algorithm.COPY
    old, new = _words(before.native), _words(after.native)
    if old is None or new is None or new[1][: len(old[1])] != old[1]:
        return Algorithm.COPY
    return Algorithm.INSTANT if _bytes(*old) == _bytes(*new) else Algorithm.COPY


def _words(native: str) -> tuple[str, list[str]] | None:
    found = _LIST.fullmatch(parts(native)[0])
    return (found[1], _WORD.findall(found[2])) if found else None


def _bytes(kind: str, words: list[str]) -> int:
    """MySQL manual, section 13.7 "Data Type Storage Requirements"."""
    if kind == "enum":
        return 1 if len(words) < 256 else 2  # noqa: PLR2004 - what a byte counts
    size = (len(words) + 7) // 8
    return size if size <= 4 else 8  # noqa: PLR2004 - as the manual says
