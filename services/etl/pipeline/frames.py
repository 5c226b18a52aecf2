"""Between Arrow batches and the pandas frames that handlers see, whose index is the record number."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Columns
from services.etl.pipeline.arrow_types import arrow_schema, arrow_type
from services.etl.pipeline.casting import between
from services.etl.pipeline.errors import HandlerBroken


def to_frame(batch: Any, records: Any) -> pd.DataFrame:
    """A frame of `pandas.ArrowDtype` columns over a record batch, without a copy, indexed by record."""
    frame: pd.DataFrame = batch.to_pandas(types_mapper=pd.ArrowDtype)
    frame.index = pd.Index(records, name="record")
    return frame


def arrow_column(frame: pd.DataFrame, name: str) -> Any:
    """A column of a frame as one Arrow array."""
    array = pa.array(frame[name], from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def with_column(frame: pd.DataFrame, name: str, values: Any) -> pd.DataFrame:
    """The frame with this Arrow array as its column `name`; other columns are shared, not copied."""
    series = pd.Series(pd.arrays.ArrowExtensionArray(values), index=frame.index, name=name)
    return frame.assign(**{name: series})


def keep_rows(frame: pd.DataFrame, mask: Any) -> pd.DataFrame:
    """The rows for which a Boolean Arrow array is true; unknown counts as false."""
    kept: pd.DataFrame = frame[pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False)]
    return kept


def to_batch(frame: pd.DataFrame, columns: Columns, *, step: str) -> tuple[Any, Any]:
    """The frame as a record batch of exactly the declared types, and its record numbers.

    Raises HandlerBroken where columns are missing, surplus or doubled, or a value would change in its cast.
    """
    found = list(frame.columns)
    if sorted(map(str, found)) != sorted(columns.names):
        difference = sorted(set(map(str, found)) ^ set(columns.names)) or ["a doubled name"]
        raise HandlerBroken(step=step, reason=f"its columns differ from columns_out: {difference[0]}")
    arrays = [_declared(frame, column.name, columns, step) for column in columns]
    batch = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))
    return batch, _records(frame, step)


def _declared(frame: pd.DataFrame, name: str, columns: Columns, step: str) -> Any:
    column = columns.get(name)
    try:
        array = arrow_column(frame, name)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        raise HandlerBroken(step=step, reason=f"column {name} holds values of mixed types") from None
    if array.type == arrow_type(column.type):
        return array
    try:
        cast = between(array, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise HandlerBroken(step=step, reason=f"column {name} is {array.type}, not {column.type}") from None
    if cast.bad:
        raise HandlerBroken(
            step=step, reason=f"column {name} has {len(cast.bad)} values that {column.type} can't hold"
        )
    return cast.array


def _records(frame: pd.DataFrame, step: str) -> Any:
    index = frame.index
    if not pd.api.types.is_integer_dtype(index.dtype) or not index.is_unique:
        raise HandlerBroken(step=step, reason="it did not keep the index, the record numbers")
    return index.to_numpy(dtype=np.int64)
