"""What handlers do with cast columns: bad cells become NULL or take their rows out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from services.etl.columns import TEXT
from services.etl.pipeline import casting, frames
from services.etl.pipeline.context import Context, RejectedRow

if TYPE_CHECKING:
    from pandas import DataFrame

OnError = Literal["reject", "null"]


def settled(
    frame: "DataFrame",
    casts: Mapping[str, tuple[casting.Cast, str]],
    context: Context,
    *,
    on_error: OnError = "reject",
    also: Sequence[RejectedRow] = (),
) -> "DataFrame":
    """The frame with these cast columns (and what was wanted of each), in which bad cells are NULL.

    With `reject` the rows of bad cells go, and the rows of `also` go in any case.
    """
    rejected = list(also)
    for name, (cast, expected) in casts.items():
        frame = frames.with_column(frame, name, cast.array)
        if on_error == "reject":
            rejected += [_rejected(frame, cell, name, expected) for cell in cast.bad]
    return context.reject(frame, rejected)


def without_rows(frame: "DataFrame", rejected: Mapping[int, RejectedRow], context: Context) -> "DataFrame":
    """The frame without these rows, by their places in it, which are declared as rejected."""
    if not rejected:
        return frame
    context.rejects([rejected[row] for row in sorted(rejected)])
    kept = np.ones(len(frame), dtype=bool)
    kept[list(rejected)] = False
    remaining: DataFrame = frame[kept]
    return remaining


def _rejected(frame: "DataFrame", cell: casting.BadCell, column: str, expected: str) -> RejectedRow:
    return RejectedRow(int(frame.index[cell.row]), column, cell.value, expected, cell.code, cell.reason)


def as_text(array: Any) -> Any:
    """A column of any type but bytes as text, spelled as `cast_types` spells it."""
    return casting.between(array, TEXT).array
