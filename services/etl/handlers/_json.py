"""JSON in columns, row by row: Arrow has no eye for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from services.etl.columns import ColumnType
from services.etl.handlers import _casts
from services.etl.pipeline import json_paths
from services.etl.pipeline.casting import BadCell, Cast, blank
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.forms import TextForm
from services.etl.pipeline.json_paths import JsonPath
from services.etl.pipeline.text_casting import from_text

if TYPE_CHECKING:
    from pandas import DataFrame

_FORM: Final = TextForm(true_tokens=("true",), false_tokens=("false",))


@dataclass(slots=True)
class Trees:
    """The values of the rows that hold JSON or NULL, and the other rows."""

    trees: list[Any]
    bad: list[int]


@dataclass(slots=True)
class Cells:
    """What a path leads to in each row, and the rows in which it leads to nothing."""

    taken: list[Any]
    missing: list[int] = field(default_factory=list)


def parsed(array: Any) -> Trees:
    """Read a column of JSON texts without loss."""
    trees, bad = list[Any](), list[int]()
    for row, text in enumerate(array.to_pylist()):
        try:
            trees.append(json_paths.MISSING if text is None else json_paths.loads(text))
        except ValueError:
            bad.append(row)
    return Trees(trees, bad)


def without_bad(
    frame: "DataFrame", array: Any, trees: Trees, *, column: str, context: Context
) -> "DataFrame":
    """The frame without the rows that hold no JSON, which are rejected."""
    rejected = {
        row: RejectedRow(int(frame.index[row]), column, array[row].as_py(), "json", "not_json", "is not JSON")
        for row in trees.bad
    }
    return _casts.without_rows(frame, rejected, context)


def cells(trees: Sequence[Any], path: JsonPath) -> Cells:
    """Follow a path in every row. Rows that are NULL have NULL there."""
    found = Cells([])
    for row, tree in enumerate(trees):
        value = None if tree is json_paths.MISSING else json_paths.found(path, tree)
        if value is json_paths.MISSING:
            found.missing.append(row)
            value = None
        found.taken.append(value)
    return found


def cast(found: Cells, target: ColumnType) -> Cast:
    """The cells as a column of a type; what doesn't fit is bad."""
    if target.kind == "json":
        texts = [None if value is None else json_paths.dumps(value) for value in found.taken]
        return Cast(pa.array(texts, pa.string()))
    texts = [json_paths.spelled(value) for value in found.taken]
    array = pa.array(texts, pa.string())
    nested = [row for row, value in enumerate(found.taken) if isinstance(value, dict | list)]
    if target.is_text or not nested:
        return from_text(array, target, _FORM)
    made = from_text(blank(array, nested), target, _FORM)
    reason = f"is an object or an array, which is no {target}"
    made.bad += [BadCell(row, texts[row], "nested", reason) for row in nested]
    return made


def missing(frame: "DataFrame", rows: Sequence[tuple[int, str]], column: str) -> list[RejectedRow]:
    """Rows to reject because a path leads to nothing in them."""
    return [
        RejectedRow(int(frame.index[row]), column, None, path, "path_missing", f"has nothing at {path}")
        for row, path in rows
    ]
