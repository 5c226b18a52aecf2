"""Values of columns that nobody declared: one JSON object of them for each row."""

import json
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.loaders._cells import NUL
from services.etl.pipeline import column_bytes
from services.etl.pipeline.casting import BadCell, Cast, blank, isolate, rows_where

ROOM: Final = 16 << 20
"""Bytes that the names of the columns may take in the objects of one batch: each row has them anew."""

_NOTHING: Final = pa.scalar(None, pa.string())
_PRINTED: Final = 0x20
"""The first sign that a JSON string may hold as it is (RFC 8259, 7)."""


def rows_at_once(names: Sequence[str]) -> int:
    """How many rows a batch may have so that the names stay within their room."""
    row = sum(len(_key(name).encode()) + 1 for name in names)
    return max(1, ROOM // max(1, row))


def objects(names: Sequence[str], values: Sequence[Any], rows: int) -> Any:
    """Columns of JSON texts as one column of objects; what is NULL is left out, and no object is empty."""
    if not values:
        return pa.nulls(rows, pa.string())
    members = [
        pc.binary_join_element_wise(f",{_key(name)}", value, "")
        for name, value in zip(names, values, strict=True)
    ]
    # a row without any member is left out altogether by null_handling="skip"
    inner = pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")
    whole = pc.binary_join_element_wise(pc.binary_replace_slice(inner, 0, 1, "{"), "}", "")
    return pc.if_else(pc.equal(inner, ""), _NOTHING, whole)


def of_texts(names: Sequence[str], columns: Sequence[Any], rows: int) -> Cast:
    """Columns of texts (strings, or bytes that should be UTF-8) as one column of objects.

    A value that is no text at all makes its row's object bad.
    """
    values, bad = list[Any](), list[BadCell]()
    for name, column in zip(names, columns, strict=True):
        value, found = strings(name, column)
        values.append(value)
        bad += found
    return Cast(objects(names, values, rows), sorted(bad, key=lambda cell: cell.row))


def strings(name: str, column: Any) -> tuple[Any, list[BadCell]]:
    """A column of texts as JSON strings, and the cells that can't be."""
    text, undecodable = isolate(lambda part: pc.cast(part, pa.string()), column)
    shown = [(row, column[row].as_py().decode(errors="replace")) for row in undecodable]
    reason = of_column(name, "is not UTF-8")
    bad = [BadCell(row, value, "invalid_encoding", reason) for row, value in shown]
    signs = _odd_signs(text)
    if "\x00" in signs:
        rows = rows_where(pc.match_substring(text, "\x00"))
        bad += [BadCell(row, text[row].as_py(), NUL[0], of_column(name, NUL[1])) for row in rows]
        text = blank(text, rows)
    for sign in signs:
        text = pc.replace_substring(text, sign, json.dumps(sign)[1:-1])
    return pc.binary_join_element_wise('"', text, '"', ""), bad


def _key(name: str) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}:"


def of_column(name: str, reason: str) -> str:
    """Why a value of a column can't be kept."""
    return f"{reason} in {name[:80]!r}"


def _odd_signs(text: Any) -> list[str]:
    """The signs of a column that a JSON string must escape; the backslash is the first of them."""
    signs = np.frombuffer(column_bytes.content(text), np.uint8)
    found = [sign for sign in ("\\", '"') if column_bytes.holds_any(text, sign.encode())]
    if len(signs) and signs.min() < _PRINTED:
        found += [chr(sign) for sign in np.unique(signs[signs < _PRINTED])]
    return found
