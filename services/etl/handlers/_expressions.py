"""Expressions over the frames that handlers see."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from services.etl.pipeline import frames
from services.etl.pipeline.casting import display
from services.etl.pipeline.context import Context, RejectedRow
from services.etl.pipeline.expression import columns_of
from services.etl.pipeline.expression_running import Rows, evaluate
from services.etl.pipeline.expression_types import Typed
from services.etl.pipeline.expression_values import Problem, Value


def evaluated(node: Typed, frame: pd.DataFrame, context: Context) -> Value:
    """The value of an expression for each row of a frame."""
    arrays = {name: frames.arrow_column(frame, name) for name in columns_of(node)}
    records = frame.index.to_numpy(dtype=np.int64)
    return evaluate(node, Rows(arrays, records, context.moment))


def failed(value: Value, length: int) -> Any:
    """The rows in which something failed, as a NumPy mask."""
    rows = np.zeros(length, dtype=bool)
    for problem in value.problems:
        rows |= problem.rows
    return rows


def reject_failed(
    frame: pd.DataFrame,
    value: Value,
    context: Context,
    *,
    column: str | None = None,
    expected: str | None = None,
) -> tuple[pd.DataFrame, Any]:
    """The frame and the array without the rows that failed, which are declared with their first reason."""
    if not value.problems:
        return frame, value.array
    kept, rejected = taken_out(frame, value, column=column, expected=expected)
    context.rejects(rejected)
    return kept, value.array.filter(pa.array(~failed(value, len(frame))))


def taken_out(
    frame: pd.DataFrame, value: Value, *, column: str | None, expected: str | None
) -> tuple[pd.DataFrame, list[RejectedRow]]:
    """The frame without the rows that failed, and those. `column`: whose value they show, if it is there.

    Goes by position and not by record: a step before may have made several rows of one.
    """
    reasons = dict(_reasons(value.problems))
    if not reasons:
        return frame, []
    shown = frames.arrow_column(frame, column) if column and column in frame.columns else None
    rejected = [
        RejectedRow(
            record=int(frame.index[row]),
            column=column,
            value=problem.told.get(row, None if shown is None else display(shown[row])),
            expected=expected,
            code=problem.code,
            reason=problem.reason,
        )
        for row, problem in sorted(reasons.items())
    ]
    return frame[~failed(value, len(frame))], rejected


def _reasons(problems: tuple[Problem, ...]) -> Iterator[tuple[int, Problem]]:
    """Each row with its problem; of several the first one comes last."""
    for problem in reversed(problems):
        for row in np.flatnonzero(problem.rows):
            yield int(row), problem
