"""Between Arrow batches and the pandas frames that handlers see, whose index is the record number."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from services.etl.columns import Column, Columns, ColumnType
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
    changed = frame.copy(deep=False)
    changed[name] = series  # not by `assign`: its keywords leave no room for a column called self
    return changed


def keep_rows(frame: pd.DataFrame, mask: Any) -> pd.DataFrame:
    """The rows for which a Boolean Arrow array is true; unknown counts as false."""
    kept: pd.DataFrame = frame[pc.fill_null(mask, fill_value=False).to_numpy(zero_copy_only=False)]
    return kept


def normalised(
    frame: pd.DataFrame, columns: Columns, *, within: pd.DataFrame, step: str, unique: bool = True
) -> pd.DataFrame:
    """What a handler gave back, with exactly the declared columns and types in their order.

    Raises HandlerBroken where columns are missing, surplus or doubled, a value would change in its cast, or
    the index is not a part of the one of `within`, the frame that the handler was given; `unique`: a record
    may be there once at most.
    """
    names = frame.columns.tolist()
    if names != list(columns.names):
        if sorted(map(str, names)) != sorted(columns.names):
            difference = sorted({*map(str, names)} ^ {*columns.names}) or ["a doubled name"]
            raise HandlerBroken(step=step, reason=f"its columns differ from columns_out: {difference[0]}")
        frame = frame[list(columns.names)]
    if not frame.index.is_(within.index):  # the same one, or a view of it
        _check_index(frame, within, step, unique=unique)
    given = dict(zip(columns.names, frame.dtypes, strict=True))
    for column in columns:
        if given[column.name] != _frame_type(column.type):
            frame = with_column(frame, column.name, _declared(frame, column, step))
    return frame


def to_batch(frame: pd.DataFrame, columns: Columns) -> tuple[Any, Any]:
    """A normalised frame as a record batch, and its record numbers."""
    arrays = [arrow_column(frame, column.name) for column in columns]
    batch = pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))
    return batch, frame.index.to_numpy(dtype=np.int64)


@lru_cache(maxsize=1024)
def _frame_type(kind: ColumnType) -> Any:
    return pd.ArrowDtype(arrow_type(kind))


def _declared(frame: pd.DataFrame, column: Column, step: str) -> Any:
    broken = f"column {column.name} holds values that are no {column.type}"
    try:
        cast = between(arrow_column(frame, column.name), column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise HandlerBroken(step=step, reason=broken) from None
    if cast.bad:
        raise HandlerBroken(step=step, reason=f"{broken}, {len(cast.bad)} in this batch")
    return cast.array


def _check_index(frame: pd.DataFrame, within: pd.DataFrame, step: str, *, unique: bool) -> None:
    index = frame.index
    kept = pd.api.types.is_integer_dtype(index.dtype)
    if unique and within.index.is_unique:  # else a step before has made several rows of a record
        kept = kept and index.is_unique
    if not kept or not index.isin(within.index).all():
        raise HandlerBroken(step=step, reason="it did not keep the index, the record numbers")
