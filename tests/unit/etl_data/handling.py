"""One step on a few rows, as a run would do it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.etl.columns import Column, Columns, ColumnType
from services.etl.handlers._base import Handler
from services.etl.pipeline import frames
from services.etl.pipeline.arrow_types import arrow_schema
from services.etl.pipeline.context import Context
from shared.errors import Loc, PenstockError

Row = Mapping[str, Any]


def columns(**types: str) -> Columns:
    """Columns by name, each with its type: `columns(a="int64", b="decimal(5,2)")`."""
    return Columns(Column(name=name, type=ColumnType.parse(kind)) for name, kind in types.items())


def worked(handler: Handler, given: Columns, rows: Sequence[Row]) -> tuple[list[dict[str, Any]], Context]:
    """What the step makes of the rows, numbered from 1. The counts add up, the types are as announced."""
    context, after = Context(step=handler.name), handler.columns_out(given)
    batch = pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=arrow_schema(given))
    frame = frames.to_frame(batch, np.arange(1, len(rows) + 1))
    result = handler.apply(frame, context)
    accounted = len(result) + len(context.rejected) + context.filtered_rows
    assert accounted == len(rows) + context.added_rows
    checked = frames.normalised(result, after, within=frame, step=handler.name, unique=not handler.multiplies)
    return frames.to_batch(checked, after)[0].to_pylist(), context


def codes(context: Context) -> list[tuple[int, str | None, str | None, str]]:
    """The rejected rows: record, column, value and code of each."""
    return [(row.record, row.column, row.value, row.code) for row in context.rejected]


def faults(step: type[Handler], params: Mapping[str, Any], given: Columns) -> list[Loc]:
    """The places that are wrong in the parameters of a step for these columns."""
    with pytest.raises(PenstockError) as raised:
        step.of(params).columns_out(given)
    assert str(raised.value).count("unknown)") == 0
    return [fault.loc for fault in raised.value.all_faults()]
