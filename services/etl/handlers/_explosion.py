"""Arrays in rows as rows of elements."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from services.etl.handlers import _casts, _json
from services.etl.pipeline import json_paths
from services.etl.pipeline.context import Context, RejectedRow

if TYPE_CHECKING:
    from pandas import DataFrame

    from services.etl.handlers.explode_json import ExplodeJson


@dataclass(frozen=True, slots=True)
class Elements:
    """One element after the other: the row of the frame each is of, its place from 1, and its value."""

    rows: Any
    places: Any
    cells: _json.Cells


def elements(
    frame: "DataFrame", array: Any, params: "ExplodeJson.Params", context: Context
) -> tuple["DataFrame", Elements]:
    """The elements of a column of arrays, and the frame of the rows that have some.

    Rows that hold no array or one that is too long are rejected; of the others, those that come and go are
    declared.
    """
    cells, spell = _json.Cells(), _json.spelling(params.type)
    counts, places, rejected = list[int](), list[int | None](), dict[int, RejectedRow]()
    for row, text in enumerate(array.to_pylist()):
        found = _array(text, params)
        if isinstance(found, tuple):
            rejected[row] = RejectedRow(int(frame.index[row]), params.column, text, "array", *found)
            continue
        counts.append(len(found))
        if not found and params.empty == "keep":
            found = [None]
            places.append(None)
        else:
            places += range(1, len(found) + 1)
        for value in found:
            cells.add(value, spell)
    frame = _casts.without_rows(frame, rejected, context)
    lengths = np.array(counts, np.int64)
    if params.empty == "drop":
        frame, full = frame[lengths > 0], lengths[lengths > 0]
        context.filtered(len(lengths) - len(full))
    else:
        full = np.maximum(lengths, 1)
    context.added(int(full.sum()) - len(full))
    return frame, Elements(np.repeat(np.arange(len(full)), full), pa.array(places, pa.int32()), cells)


def _array(text: str | None, params: "ExplodeJson.Params") -> list[Any] | tuple[str, str]:
    """The elements in a cell, none for NULL; or why there can't be any, as a code and a reason."""
    try:
        tree = None if text is None else json_paths.loads(text)
    except ValueError:
        return "not_json", "is not JSON"
    if tree is None:
        return []
    if not isinstance(tree, list):
        return "not_an_array", "is no array"
    if len(tree) > params.max_elements:
        return "too_many_elements", f"has more than {params.max_elements} elements"
    return tree
