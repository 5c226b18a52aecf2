"""Taking columns of text apart, vectorised where Arrow can do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import re2

from services.etl.pipeline.casting import rows_where
from services.etl.pipeline.context import RejectedRow

if TYPE_CHECKING:
    from services.etl.handlers.split_column import SplitColumn


@dataclass(slots=True)
class Parts:
    """The parts as columns of text, and the rows with fewer or more than were wanted."""

    columns: list[Any]
    few: list[int]
    many: list[int]

    bad: dict[int, str]
    """Rows to reject, with the code of the reason."""


def split(array: Any, params: "SplitColumn.Params") -> Parts:
    """Take a column of strings apart as the parameters say. Parts that are missing are NULL."""
    parts = _WAYS[params.by](array, params)
    if params.trim:
        parts.columns = [pc.utf8_trim_whitespace(column) for column in parts.columns]
    if params.too_few == "reject":
        parts.bad |= dict.fromkeys(parts.few, "too_few_parts")
    if params.too_many == "reject":
        parts.bad |= dict.fromkeys(parts.many, "too_many_parts")
    return parts


def rejected(
    bad: Mapping[int, str], params: "SplitColumn.Params", array: Any, index: Any
) -> list[RejectedRow]:
    """The rows to reject, in their order, and why."""
    wanted = f"{len(params.into)} parts"
    reasons = {
        "too_few_parts": f"has fewer parts than the {len(params.into)} that are wanted",
        "too_many_parts": f"has more parts than the {len(params.into)} that are wanted",
    }
    return [
        RejectedRow(int(index[row]), params.column, array[row].as_py(), wanted, bad[row], reasons[bad[row]])
        for row in sorted(bad)
    ]


def _by_delimiter(array: Any, params: "SplitColumn.Params") -> Parts:
    wanted = len(params.into)
    most = wanted - 1 if params.too_many == "keep_rest" else wanted  # one more part tells of too many
    lists = pc.split_pattern(array, pattern=params.delimiter, max_splits=most)
    lengths = pc.list_value_length(lists)
    found = pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False)
    starts = lists.offsets.to_numpy()[: len(array)]
    columns = []
    for position in range(wanted):
        places = pa.array(starts + position, pa.int64(), mask=found <= position)
        columns.append(lists.values.take(places))
    return Parts(columns, rows_where(pc.less(lengths, wanted)), rows_where(pc.greater(lengths, wanted)), {})


def _by_pattern(array: Any, params: "SplitColumn.Params") -> Parts:
    search: Callable[[str], Any] = re2.compile(params.pattern).search
    nothing = (None,) * len(params.into)
    rows, few = [], []
    for row, text in enumerate(array.to_pylist()):
        match = search(text) if text is not None else None
        rows.append(match.groups() if match else nothing)
        if text is not None and match is None:
            few.append(row)
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(params.into))]
    return Parts(columns, few, [], {})


def _by_widths(array: Any, params: "SplitColumn.Params") -> Parts:
    length = pc.utf8_length(array)
    columns, start = [], 0
    for position, width in enumerate(params.widths):
        last = position == len(params.widths) - 1
        stop = None if last and params.too_many == "keep_rest" else start + width
        part = pc.utf8_slice_codeunits(array, start=start, stop=stop)
        there = pc.greater(length, start)
        columns.append(pc.if_else(there, part, pa.scalar(None, pa.string())))
        missing, start = pc.less_equal(length, start), start + width
    many = [] if params.too_many == "keep_rest" else rows_where(pc.greater(length, start))
    return Parts(columns, rows_where(missing), many, {})


_WAYS: Final[Mapping[str, Callable[[Any, "SplitColumn.Params"], Parts]]] = {
    "delimiter": _by_delimiter,
    "pattern": _by_pattern,
    "widths": _by_widths,
}
