"""Arrays in rows as rows of elements."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from services.etl.handlers import _casts
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
    values: list[Any]


def elements(
    frame: "DataFrame", trees: list[Any], params: "ExplodeJson.Params", context: Context
) -> tuple["DataFrame", Elements]:
    """The elements of the values that `loads` gave for the rows, and the frame of the rows that have some.

    Rows that hold no array or one that is too long are rejected; of the others, those that come and go are
    declared.
    """
    bad = {row: found for row, tree in enumerate(trees) if (found := _fault(tree, params))}
    rejected = {
        row: RejectedRow(int(frame.index[row]), params.column, _shown(trees[row]), "array", *found)
        for row, found in bad.items()
    }
    frame = _casts.without_rows(frame, rejected, context)
    arrays = [_array(tree) for row, tree in enumerate(trees) if row not in bad]
    if params.empty == "drop":
        full = np.array([bool(array) for array in arrays], dtype=bool)
        context.filtered(int((~full).sum()))
        frame, arrays = frame[full], [array for array in arrays if array]
    counts = [len(array) or 1 for array in arrays]
    context.added(sum(counts) - len(arrays))
    places = [place for array in arrays for place in (range(1, len(array) + 1) if array else [None])]
    values = [value for array in arrays for value in (array or [None])]
    rows = np.repeat(np.arange(len(arrays)), counts)
    return frame, Elements(rows, pa.array(places, pa.int32()), values)


def _array(tree: Any) -> list[Any]:
    return tree if isinstance(tree, list) else []


def _fault(tree: Any, params: "ExplodeJson.Params") -> tuple[str, str] | None:
    if tree is json_paths.MISSING or tree is None:
        return None
    if not isinstance(tree, list):
        return "not_an_array", "is no array"
    if len(tree) > params.max_elements:
        return "too_many_elements", f"has more than {params.max_elements} elements"
    return None


def _shown(tree: Any) -> str:
    return json_paths.dumps(tree)
